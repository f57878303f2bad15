//! Values as root reads them: files by open folders, programs that only root can have written, begun as whoever the
//! mapping means. All sources are read so, whether they take root or not: limits are read of any.

use super::effects::filled;
use super::file;
use super::node::NodeAt;
use super::object::check_program;
use super::outcome::Failure;
use crate::backend::{self, Answer};
use crate::ddf::Format;
use crate::mo::Value;
use crate::mo::mapping::{NodeMapping, Source, SourceKind, Template};

/// Reads one source.
pub(super) async fn read(
    source: &Source,
    format: Format,
    node: &NodeAt<'_>,
) -> Result<Answer<Value>, Failure> {
    let context = node.context();
    match &source.from {
        SourceKind::File { path, .. } => match file::read(&filled(path, &context)?, node.rules)? {
            Answer::Value(content) => Ok(backend::of_content(content, source, format, &context)?),
            Answer::Absent(why) => Ok(Answer::Absent(why)),
            Answer::Unavailable(why) => Ok(Answer::Unavailable(why)),
        },
        from => {
            if let SourceKind::Run(argv) = from {
                check_program(argv.first().and_then(Template::literal).unwrap_or_default(), node.rules)?;
            }
            let read = backend::read_source(source, format, &context).await?;
            Ok(read.map(|reading| reading.value))
        }
    }
}

/// Reads a leaf: the first of its sources that has a value.
pub(super) async fn read_leaf(
    mapping: &NodeMapping,
    format: Format,
    node: &NodeAt<'_>,
) -> Result<Answer<Value>, Failure> {
    let mut absent = Vec::new();
    for source in &mapping.get {
        match read(source, format, node).await? {
            Answer::Value(value) if value.is_empty() => {}
            Answer::Absent(why) => absent.push(why),
            answer => return Ok(answer),
        }
    }
    Ok(Answer::Absent(absent.join("; ")))
}
