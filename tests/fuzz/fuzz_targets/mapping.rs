//! Mapping files: any text is a management object, or has problems that are told; what is made its DDF is read back.
#![no_main]

use std::path::PathBuf;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use omadm_agent::ddf::parse;
use omadm_agent::mo::load::{ddf, load_one};
use omadm_agent::spanned::Problems;

const DDFS: [(&str, &str); 3] = [
    ("devinfo.ddf.xml", include_str!("../../fixtures/mo-0.1.0/devinfo/devinfo.ddf.xml")),
    ("dmacc.ddf.xml", include_str!("../../../mo/dmacc/dmacc.ddf.xml")),
    ("demo.ddf.xml", include_str!("../../../lab/demo/demo.ddf.xml")),
];

/// A management object's folder for this process: the mapping is written into it again and again.
static FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = std::env::temp_dir().join(format!("omadm-fuzz-{}/object", std::process::id()));
    std::fs::create_dir_all(&folder).expect("a folder");
    for (name, ddf) in DDFS {
        std::fs::write(folder.join(name), ddf).expect("a DDF");
    }
    folder
});

fuzz_target!(|mapping: &[u8]| {
    std::fs::write(FOLDER.join("object.toml"), mapping).expect("a mapping");
    let mut problems = Problems::default();
    let object = load_one(&FOLDER, &mut problems);
    assert_eq!(object.is_none(), !problems.is_empty(), "{problems}");
    if object.is_some() {
        let ddf = ddf(&FOLDER, &mut problems).expect("what is sound has a DDF");
        assert_eq!(parse(ddf.to_xml().as_bytes()), Ok(ddf));
    }
});
