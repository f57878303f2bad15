//! The interface that unbound connections leave by: that of the best default route, as `/proc/net` shows it. Pure: the
//! text in, a name out.

/// Where the kernel shows its IPv4 routes.
pub(super) const V4: &str = "/proc/net/route";
/// Where the kernel shows its IPv6 routes.
pub(super) const V6: &str = "/proc/net/ipv6_route";

/// `RTF_UP` and `RTF_REJECT` of route(8).
const UP: u32 = 0x1;
const REJECT: u32 = 0x200;

/// The interfaces of default routes, the best first: IPv4's, then IPv6's, each by its metric.
pub(super) fn interfaces(v4: &str, v6: &str) -> Vec<String> {
    let mut found: Vec<(u8, u32, &str)> = v4.lines().filter_map(of_v4).collect();
    found.extend(v6.lines().filter_map(of_v6));
    let mut names: Vec<String> = Vec::new();
    while let Some(best) = found.iter().min().copied() {
        found.retain(|other| *other != best);
        if !names.iter().any(|name| name == best.2) {
            names.push(best.2.to_owned());
        }
    }
    names
}

/// Interface, destination, gateway, flags, reference count, use, metric, mask…
fn of_v4(line: &str) -> Option<(u8, u32, &str)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [name, "00000000", _, flags, _, _, metric, "00000000", ..] = fields[..] else { return None };
    let flags = u32::from_str_radix(flags, 16).ok()?;
    (flags & (UP | REJECT) == UP).then_some((4, metric.parse().ok()?, name))
}

/// Destination, its prefix, source, its prefix, gateway, metric, reference count, use, flags, interface.
fn of_v6(line: &str) -> Option<(u8, u32, &str)> {
    let fields: Vec<&str> = line.split_ascii_whitespace().collect();
    let [to, "00", _, _, _, metric, _, _, flags, name] = fields[..] else { return None };
    let [metric, flags] = [metric, flags].map(|text| u32::from_str_radix(text, 16).ok());
    let leads = to.bytes().all(|digit| digit == b'0') && flags? & (UP | REJECT) == UP && name != "lo";
    leads.then_some((6, metric?, name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_default_route_comes_first() {
        let v4 = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
                  wwan0\t00000000\t0100000A\t0003\t0\t0\t700\t00000000\t0\t0\t0\n\
                  eth0\t00000000\t010200C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n\
                  eth1\t00000000\t00000000\t0200\t0\t0\t0\t00000000\t0\t0\t0\n\
                  tun0\t00000000\t00000000\t0001\t0\t0\t0\t00000080\t0\t0\t0\n\
                  eth0\t000200C0\t00000000\t0001\t0\t0\t100\t00FFFFFF\t0\t0\t0\n";
        let zeros = "0".repeat(32);
        let gateway = "fe800000000000000000000000000001";
        let v6 = format!(
            "{zeros} 00 {zeros} 00 {gateway} 00000400 00000001 00000000 00000003    wlan0\n\
             {zeros} 00 {zeros} 00 {zeros} ffffffff 00000001 00000000 00200200       lo\n\
             20010db8000000000000000000000000 40 {zeros} 00 {zeros} 00000100 00000001 00000000 00000001 eth0\n"
        );
        assert_eq!(interfaces(v4, &v6), ["eth0", "wwan0", "wlan0"]);
        assert!(interfaces("", "nonsense\n").is_empty());
    }
}
