//! Which process listens on a TCP address, as far as Linux's `/proc` tells this user.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::Path,
};

use graceful_exit::locale::escaped;

/// The process's id and its command. None where the system does not tell: not on Linux, not of another user's process.
pub(crate) fn of(address: &str) -> Option<(u32, String)> {
    let address: SocketAddr = address.parse().ok()?;
    let inodes: Vec<_> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .into_iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listeners(&table, address))
        .map(|inode| format!("socket:[{inode}]"))
        .collect();
    let processes = fs::read_dir("/proc").ok().filter(|_| !inodes.is_empty())?;
    processes.flatten().find_map(|process| {
        let pid = process.file_name().to_str()?.parse().ok()?;
        has(&process.path(), &inodes).then(|| (pid, command(&process.path())))
    })
}

/// The inodes of the sockets of a table that listen where `address` cannot be bound: on it, or on all addresses.
fn listeners(table: &str, address: SocketAddr) -> Vec<String> {
    const LISTEN: &str = "0A";
    let line = |line: &str| {
        let fields: Vec<_> = line.split_whitespace().collect();
        let (local, state, inode) = (fields.get(1)?, fields.get(3)?, fields.get(9)?);
        let (ip, port) = local.split_once(':')?;
        let is_its_port = u16::from_str_radix(port, 16).ok()? == address.port();
        let ip = ip_of(ip)?;
        let overlaps = ip == address.ip() || ip.is_unspecified() || address.ip().is_unspecified();
        (*state == LISTEN && is_its_port && overlaps).then(|| (*inode).to_owned())
    };
    table.lines().skip(1).filter_map(line).collect()
}

/// An address as the table has it: 32 bits a word, each in this machine's order.
fn ip_of(hex: &str) -> Option<IpAddr> {
    let words = hex.as_bytes().chunks(8).map(|word| {
        let word = std::str::from_utf8(word).ok()?;
        Some(u32::from_str_radix(word, 16).ok()?.to_ne_bytes())
    });
    let bytes = words.collect::<Option<Vec<_>>>()?.concat();
    match bytes.len() {
        4 => Some(Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).into()),
        16 => Some(Ipv6Addr::from(<[u8; 16]>::try_from(bytes).ok()?).to_canonical()),
        _ => None,
    }
}

/// True if one of the process's descriptors is one of these sockets.
fn has(process: &Path, sockets: &[String]) -> bool {
    let Ok(descriptors) = fs::read_dir(process.join("fd")) else { return false };
    descriptors.flatten().any(|descriptor| {
        fs::read_link(descriptor.path())
            .is_ok_and(|target| sockets.iter().any(|socket| target == Path::new(socket)))
    })
}

fn command(process: &Path) -> String {
    let command = fs::read_to_string(process.join("comm")).unwrap_or_default();
    escaped(command.trim()).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str =
        "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 111 1
   1: 0100007F:1F90 0100007F:9999 01 00000000:00000000 00:00000000 00000000     0        0 222 1
   2: 00000000:1F91 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 333 1
   3: 0200007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 444 1
";

    #[cfg(target_endian = "little")]
    #[test]
    fn a_listener_is_found_on_the_address_or_on_all_of_them() {
        let found = |address: &str| listeners(TABLE, address.parse().unwrap());
        assert_eq!(found("127.0.0.1:8080"), ["111"]);
        assert_eq!(found("127.0.0.1:8081"), ["333"]);
        assert_eq!(found("0.0.0.0:8080"), ["111", "444"]);
        assert_eq!(found("127.0.0.1:8082"), [""; 0]);
        let six = "sl\n 0: 00000000000000000000000001000000:1F90 0:0 0A 0 0 0 0 0 555 1\n";
        assert_eq!(listeners(six, "[::1]:8080".parse().unwrap()), ["555"]);
        assert_eq!(listeners("garbage\nmore : garbage\n", "[::1]:8080".parse().unwrap()), [""; 0]);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn a_listener_of_this_process_is_named() -> std::io::Result<()> {
        let listener = std::net::TcpListener::bind("127.0.0.1:0")?;
        let (pid, command) = of(&listener.local_addr()?.to_string()).unwrap_or_default();
        assert_eq!(pid, std::process::id());
        assert!(!command.is_empty());
        Ok(())
    }
}
