//! HPOST (TS 5.4.3): HPUT by another HTTP method.

use hyper::Method;

use super::context::{CommandContext, CommandResult};
use super::hput;

pub(super) async fn run(parameters: &[String], context: &mut CommandContext<'_>) -> CommandResult {
    hput::send(Method::POST, parameters, context).await
}
