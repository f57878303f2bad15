//! Management objects of a test's own.

use omadm_agent::lab::gateway::Gateway;

/// A node of a description, in the DDF's words: its format, what commands it allows, how often it is there. A leaf
/// holds text; of other types: [`of_types`].
pub(crate) fn node(name: &str, format: &str, access: &str, occurrence: &str, children: &str) -> String {
    let access: String = access.split(' ').map(|word| format!("<{word}/>")).collect();
    let kind = if format == "node" { "<DDFName/>" } else { "<MIME>text/plain</MIME>" };
    format!(
        "<Node><NodeName>{name}</NodeName><DFProperties><AccessType>{access}</AccessType>\
         <DFFormat><{format}/></DFFormat><Occurrence><{occurrence}/></Occurrence><DFType>{kind}</DFType>\
         </DFProperties>{children}</Node>"
    )
}

/// The same leaf, of these media types.
pub(crate) fn of_types(types: &[&str], leaf: &str) -> String {
    let types: String = types.iter().map(|mime| format!("<MIME>{mime}</MIME>")).collect();
    leaf.replacen("<MIME>text/plain</MIME>", &types, 1)
}

/// The same node, there for good.
pub(crate) fn permanent(node: &str) -> String {
    node.replacen("</DFProperties>", "<Scope><Permanent/></Scope></DFProperties>", 1)
}

/// Adds an object whose root is called `name` to a gateway, with what else its mapping says.
pub(crate) fn put(gateway: &Gateway, moid: &str, name: &str, root: &str, mapping: &str) {
    let folder = name.to_lowercase();
    let ddf = format!("<MgmtTree><VerDTD>1.2</VerDTD>{root}</MgmtTree>");
    let mapping = format!(
        "moid = \"{moid}\"\nddf = \"{folder}.ddf.xml\"\nddf-uri = \"https://omadm.example/ddf/{folder}\"\n\
         root = \"{name}\"\n{mapping}\n"
    );
    gateway.put_mo(&folder, &format!("{folder}.ddf.xml"), &ddf).unwrap();
    gateway.put_mo(&folder, &format!("{folder}.toml"), &mapping).unwrap();
}
