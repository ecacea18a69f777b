//! Blocks of IP addresses, as CIDR writes them.

use std::net::IpAddr;

/// One block; bits after its prefix do not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressBlock {
    network: IpAddr,
    bits: u8,
}

impl AddressBlock {
    /// Reads `10.0.0.0/8`, or one address; `None`: it is neither.
    #[must_use]
    pub fn of(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        let network: IpAddr = address.parse().ok()?;
        let most = if network.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(most);
        (bits <= most).then_some(Self { network, bits })
    }

    /// Whether an address is in it; one of IPv4 that came by an IPv6 socket is one of IPv4.
    #[must_use]
    pub fn contains(self, address: IpAddr) -> bool {
        let bits = self.bits;
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                let shift = 32 - u32::from(bits);
                u64::from(network.to_bits()) >> shift == u64::from(address.to_bits()) >> shift
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                bits == 0 || network.to_bits() >> (128 - bits) == address.to_bits() >> (128 - bits)
            }
            _ => false,
        }
    }
}
