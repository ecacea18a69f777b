#!/bin/bash
# Makes an Amazon Linux 2023 machine a NAT: forwarding and one masquerading rule, kept over reboots.
set -eu

echo "net.ipv4.ip_forward = 1" >/etc/sysctl.d/90-nat.conf
sysctl --system

for attempt in $(seq 1 30); do
  dnf install -y nftables && break
  echo "attempt $attempt: packages are not reachable yet"
  sleep 5
done

device=$(ip -o route get 169.254.169.253 | sed -n 's/.* dev \([^ ]*\).*/\1/p')
cat >/etc/sysconfig/nftables.conf <<RULES
table ip nat {
  chain postrouting {
    type nat hook postrouting priority 100;
    oifname "$device" masquerade
  }
}
RULES
systemctl enable --now nftables
