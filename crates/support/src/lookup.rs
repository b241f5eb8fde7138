//! Looks names of hosts up in a process of its own: the system's lookup may take half a minute and
//! cannot be interrupted, a process can.

use std::io::{self, Write};
use std::net::{IpAddr, ToSocketAddrs};
use std::path::Path;
use std::process::{Command, Stdio};

/// The subcommand of this program that calls [`serve`].
pub const SUBCOMMAND: &str = "look-up";

/// Limit on the addresses of a name.
const ADDRESSES_MAX: usize = 16;

/// Returns the command by which `program`, which is this program, looks up `host`. It prints to a
/// pipe what [`parse`] reads.
pub fn under(program: &Path, host: &str) -> Command {
    let mut command = Command::new(program);
    command.arg(SUBCOMMAND).arg(host);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// Returns the addresses of `host` from the system, at least one.
pub fn look_up(host: &str) -> io::Result<Vec<IpAddr>> {
    let mut addresses = Vec::new();
    for address in (host, 0).to_socket_addrs()?.map(|address| address.ip()).take(ADDRESSES_MAX) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(io::ErrorKind::NotFound.into()) } else { Ok(addresses) }
}

/// The side of the process: prints the addresses of `host`, one a line, or why there are none.
pub fn serve(host: &str) -> io::Result<()> {
    let printed = match look_up(host) {
        Ok(addresses) => addresses.iter().map(|address| format!("{address}\n")).collect(),
        Err(error) => format!("{error}\n"),
    };
    // At once: who reads a part waits for the rest.
    let mut output = io::stdout().lock();
    output.write_all(printed.as_bytes())?;
    output.flush()
}

/// Reads what [`serve`] printed; fails with the reason if there is no address.
pub fn parse(printed: &str) -> io::Result<Vec<IpAddr>> {
    let addresses: Vec<IpAddr> = printed.lines().filter_map(|line| line.parse().ok()).collect();
    match printed.lines().next() {
        _ if !addresses.is_empty() => Ok(addresses),
        Some(reason) => Err(io::Error::other(reason.to_owned())),
        None => Err(io::ErrorKind::NotFound.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_addresses_or_a_reason() {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        assert_eq!(look_up("127.0.0.1").expect("it is an address"), [loopback]);
        assert!(look_up("nobody.invalid").is_err());
        assert_eq!(parse("127.0.0.1\n::1\n").expect("two").len(), 2);
        assert_eq!(parse("no such name\n").expect_err("none").to_string(), "no such name");
        assert!(parse("").is_err());
    }
}
