//! HPOST (TS 5.4.3): HPUT by another HTTP method.

use hyper::Method;

use super::context::{CommandResult, Context};
use super::hput;

pub(super) async fn run(parameters: &[String], context: &mut Context<'_>) -> CommandResult {
    hput::send(Method::POST, parameters, context).await
}
