//! `health`: whether the server on this machine answers.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use ::http::Method;
use url::Url;

use super::context::Context;
use super::exit::{ExitStatus, Failure, Outcome};
use super::printer::Printer;
use super::serve::seams;
use crate::transport::Outgoing;

/// Runs the command.
pub async fn run(context: &Context, ready: bool, printer: &mut Printer) -> Outcome {
    let settings = context.settings(printer)?;
    let address = reachable(settings.listen);
    let path = if ready { "readyz" } else { "healthz" };
    let asked = format!("http://{address}/{path}");
    let url =
        Url::parse(&asked).map_err(|error| Failure::setup(error.to_string(), "correct HOLDFAST_LISTEN"))?;
    let mut request = Outgoing::new(Method::GET, url);
    request.timeout = Duration::from_millis(2500);
    match seams(context)?.transport.send(request).await {
        Ok(answer) if answer.status.is_success() => {
            printer.line(String::from_utf8_lossy(&answer.body));
            Ok(ExitStatus::Success)
        }
        Ok(answer) => Err(Failure::no(format!(
            "{asked} answers {}: {}",
            answer.status,
            String::from_utf8_lossy(&answer.body)
        ))),
        Err(error) => Err(Failure::no(format!("{asked}: {error}"))),
    }
}

/// Where a server that listens there is reached from this machine.
pub(super) fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(if address.is_ipv4() {
            Ipv4Addr::LOCALHOST.into()
        } else {
            Ipv6Addr::LOCALHOST.into()
        });
    }
    address
}
