//! Addresses of Postgres servers. None of it is ever told as it stands: it may hold a password.

use std::str::FromStr as _;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::system_roots;
use crate::store::OpenError;

/// Reads an address.
fn read(url: &str) -> Result<PgConnectOptions, OpenError> {
    // Drop sqlx's text: it quotes the address, which may hold a password.
    let options = PgConnectOptions::from_str(url).map_err(|_| OpenError::Address(unreadable(url)))?;
    let options = system_roots::applied(options, url)?;
    if options.get_host().contains(',') {
        return Err(OpenError::Address("the address names several hosts; name one".to_owned()));
    }
    // It keeps the brackets around an IPv6 address, which no name resolution takes.
    let host = options.get_host().strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    Ok(match host.map(str::to_owned) {
        Some(host) => options.host(&host),
        None => options,
    })
}

/// Reads an address whose files can be read, too.
pub(super) fn read_with_files(url: &str) -> Result<PgConnectOptions, OpenError> {
    let options = read(url)?;
    let address = url::Url::parse(url).ok();
    for (option, path) in address.iter().flat_map(url::Url::query_pairs) {
        let is_file = ["cert", "key", "ca"].iter().any(|end| option.ends_with(end));
        if option.starts_with("ssl")
            && is_file
            && !(system_roots::NAMES.contains(&&*option) && path == system_roots::SYSTEM)
            && let Err(error) = std::fs::File::open(&*path)
        {
            let (option, path) = (option.into_owned(), path.into_owned());
            return Err(OpenError::AddressFile { option, path, why: error.to_string() });
        }
    }
    Ok(options)
}

/// Which part of an address cannot be read; never the part itself.
fn unreadable(url: &str) -> String {
    const IN_A_PASSWORD: &str = "in a password, write / as %2F, # as %23, ? as %3F and @ as %40";
    let why = match url::Url::parse(url) {
        Err(url::ParseError::InvalidPort) => format!("its port is no number; {IN_A_PASSWORD}"),
        Err(url::ParseError::EmptyHost) => "it names no host after the @".to_owned(),
        Err(_) => IN_A_PASSWORD.to_owned(),
        Ok(url) => {
            let is_wrong = |name: &str, value: &str| match name {
                "sslmode" | "ssl-mode" => value.parse::<PgSslMode>().is_err(),
                "port" => value.parse::<u16>().is_err(),
                "hostaddr" => value.parse::<std::net::IpAddr>().is_err(),
                "statement-cache-capacity" => value.parse::<usize>().is_err(),
                _ => false,
            };
            match url.query_pairs().find(|(name, value)| is_wrong(name, value)) {
                Some((name, _)) if name.starts_with("ssl") => {
                    format!(
                        "its {name} is none of disable, allow, prefer, require, verify-ca and verify-full"
                    )
                }
                Some((name, _)) => format!("its {name} has not the form of one"),
                None => IN_A_PASSWORD.to_owned(),
            }
        }
    };
    format!("the Postgres address cannot be read: {why}")
}

/// Where the server is.
pub(super) fn host_of(options: &PgConnectOptions) -> String {
    match options.get_socket() {
        Some(socket) => socket.display().to_string(),
        None => format!("{}:{}", options.get_host(), options.get_port()),
    }
}

/// Whether a connection may be made without TLS.
pub(super) fn is_plain(options: &PgConnectOptions) -> bool {
    options.get_socket().is_none() && matches!(options.get_ssl_mode(), PgSslMode::Disable | PgSslMode::Allow)
}

#[cfg(test)]
mod tests;
