//! Where a server listens, and how it ends.

use super::number::number;
use super::time::time;
use sockeye::{Address, Listen, group_id, user_id};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

const PORT: u16 = 7681;
const BIND: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

/// Where a server listens.
#[derive(Debug, clap::Args)]
pub(crate) struct ListenArgs {
    /// The TCP port, 7681 by default; 0 for any that is free
    #[arg(long, value_parser = number(0..=u16::MAX))]
    port: Option<u16>,
    /// The IP address, 127.0.0.1 by default; 0.0.0.0 or :: for all of this machine
    #[arg(long, value_name = "ADDRESS", value_parser = address)]
    bind: Option<IpAddr>,
    /// The addresses of this network interface, as lo or eth0, instead of --bind
    #[arg(long, value_name = "NAME", conflicts_with = "bind")]
    interface: Option<String>,
    /// Where to listen instead of at --bind and --port: 127.0.0.1:7681, [::1]:7681,
    /// unix:/path/to/socket or unix:@name; several times for several places
    #[arg(long, value_name = "WHERE", conflicts_with_all = ["port", "bind", "interface"])]
    listen: Vec<Address>,
    /// The permissions of Unix sockets with a path, in octal, as 660; what they are for is writing
    #[arg(long, value_name = "MODE", requires = "listen", value_parser = mode)]
    socket_mode: Option<u32>,
    /// The user that Unix sockets with a path belong to
    #[arg(long, value_name = "USER", requires = "listen", value_parser = user_id)]
    socket_owner: Option<u32>,
    /// The group that Unix sockets with a path belong to
    #[arg(long, value_name = "GROUP", requires = "listen", value_parser = group_id)]
    socket_group: Option<u32>,
    /// At Ctrl-C or SIGTERM, close connections one after the other over this time, not all at once
    #[arg(long, value_name = "TIME", value_parser = time)]
    pub(crate) drain: Option<Duration>,
}

/// A place to listen at, and what to say if that cannot be.
pub(crate) struct Place {
    pub(crate) listen: Listen,
    pub(crate) name: String,
    /// The options that choose another.
    pub(crate) options: &'static str,
}

impl ListenArgs {
    /// Where to listen beside the sockets that were `handed_over`: if there are such, only where
    /// the command line says so.
    pub(crate) fn places(&self, handed_over: bool) -> Vec<Place> {
        if !self.listen.is_empty() {
            return self.listen.iter().map(|address| self.place_at(address)).collect();
        }
        let chosen = self.port.is_some() || self.bind.is_some() || self.interface.is_some();
        if handed_over && !chosen {
            return Vec::new();
        }
        let port = self.port.unwrap_or(PORT);
        if let Some(name) = &self.interface {
            let listen = Listen::interface(name, port);
            let name = format!("network interface {name}, port {port}");
            return vec![Place { listen, name, options: "--interface or --port" }];
        }
        let address = SocketAddr::new(self.bind.unwrap_or(BIND), port);
        let listen = Listen::at(address);
        vec![Place { listen, name: address.to_string(), options: "--bind or --port" }]
    }

    /// The IP addresses that it is certain to listen at.
    pub(crate) fn ips(&self) -> Vec<IpAddr> {
        if self.listen.is_empty() {
            return vec![self.bind.unwrap_or(BIND)];
        }
        self.listen.iter().filter_map(|address| Some(address.ip()?.ip())).collect()
    }

    /// What is wrong with the options as a whole, if anything.
    pub(crate) fn misuse(&self) -> Option<&'static str> {
        let has_path = self.listen.iter().any(|address| matches!(address, Address::Path(_)));
        let options = [
            (self.socket_mode, "--socket-mode is for sockets with a path: --listen unix:/path"),
            (self.socket_owner, "--socket-owner is for sockets with a path: --listen unix:/path"),
            (self.socket_group, "--socket-group is for sockets with a path: --listen unix:/path"),
        ];
        let given = options.into_iter().find(|(option, _)| option.is_some() && !has_path);
        given.map(|(_, why)| why)
    }

    fn place_at(&self, address: &Address) -> Place {
        let mut listen = Listen::at(address.clone());
        if let Some(mode) = self.socket_mode {
            listen = listen.mode(mode);
        }
        if let Some(uid) = self.socket_owner {
            listen = listen.owner(uid);
        }
        if let Some(gid) = self.socket_group {
            listen = listen.group(gid);
        }
        Place { listen, name: address.to_string(), options: "--listen" }
    }
}

fn mode(text: &str) -> Result<u32, &'static str> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        Ok(_) | Err(_) => Err("permissions are an octal number from 0 to 777, as 660"),
    }
}

fn address(text: &str) -> Result<IpAddr, &'static str> {
    text.parse().map_err(|_| "it takes an IP address, such as 127.0.0.1 or ::1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_are_octal() {
        assert_eq!((mode("660"), mode("0777")), (Ok(0o660), Ok(0o777)));
        for wrong in ["", "888", "rw", "1777", "-1"] {
            assert!(mode(wrong).is_err(), "{wrong}");
        }
    }
}
