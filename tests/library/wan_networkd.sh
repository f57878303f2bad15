# A systemd-networkd that is not there: $1 is the program `wan`, $2 an empty folder that stands for the machine. What is
# written is read back as networkd would take it: the first file by its name, drop-ins after it.
wan=$1 root=$2
export OMADM_SYSROOT="$root" MACHINE="$root"
mkdir -p "$root/bin" "$root/etc/systemd/network/20-wan.network.d" "$root/usr/lib/systemd/network/20-wan.network.d" \
    "$root/run/systemd/netif/links" "$root/run/systemd/netif/leases" "$root/run/systemd/network" "$root/var/lib" \
    "$root/sys/class/net/port/brport" "$root/sys/class/net/wifi/phy80211" "$root/sys/class/net/br0" "$root/sys/class/net/eth0"
etc=$root/etc/systemd/network run=$root/run/systemd/network
cat >"$root/bin/networkctl" <<'END'
#!/bin/sh
[ "$1" = reconfigure ] || exit 0
[ ! -e "$MACHINE/broken" ] || exit 1
cd "$MACHINE" || exit
file=$(ls etc/systemd/network/*.network run/systemd/network/0-*.network 2>/dev/null | sed 's/.*\///' | LC_ALL=C sort | sed q)
[ -e "etc/systemd/network/$file" ] && file=etc/systemd/network/$file || file=run/systemd/network/$file
grep '^DHCP=' "$file" | tail -n 1 >said
sed -n 's/^Address=/    inet /p' "$file" | grep -v : | sed 's/$/ scope global/' >addresses
rm -f run/systemd/netif/leases/2
if grep -q 'yes\|ipv4' said && [ -e dhcp ]; then
    echo ADDRESS=192.0.2.77 >run/systemd/netif/leases/2
    echo '    inet 192.0.2.77/24 scope global dynamic' >>addresses
fi
sed -n 's/^Gateway=\([0-9.]*\)$/default via \1 proto static/p' "$file" >routes
cat >run/systemd/netif/links/2 <<STATE
ADMIN_STATE=configured
OPER_STATE=routable
NETWORK_FILE=/$file
DNS=$(sed -n 's/^DNS=//p' "$file" | tr '\n' ' ')
STATE
END
cat >"$root/bin/ip" <<'END'
#!/bin/sh
case $2 in -o) cat "$MACHINE/addresses" ;; *) cat "$MACHINE/routes" ;; esac
END
printf '#!/bin/sh\nexit 0\n' >"$root/bin/systemctl"
cp "$root/bin/systemctl" "$root/bin/systemd-run"
chmod +x "$root"/bin/*
PATH=$root/bin:$PATH

link() {
    echo "$2" >"$root/sys/class/net/$1/ifindex"
    echo 1 >"$root/sys/class/net/$1/type"
    [ -z "$3" ] || printf 'ADMIN_STATE=%s\nOPER_STATE=%s\nNETWORK_FILE=/%s\n' "$4" "$5" "$3" >"$root/run/systemd/netif/links/$2"
}
link eth0 2 etc/systemd/network/20-wan.network configured routable
link wifi 3 run/systemd/network/10-netplan-wifi.network configured no-carrier
link port 4 etc/systemd/network/30-port.network configured enslaved
link br0 5 etc/systemd/network/40-br.network configured routable
echo DEVTYPE=bridge >"$root/sys/class/net/br0/uevent"
cat >"$etc/20-wan.network" <<'END'
[Match]
MACAddress=02:00:00:00:00:01
[Network]
# Address=192.0.2.99/24
Address=192.0.2.2/24
Address=2001:db8::2/64
Gateway=192.0.2.1
Gateway=2001:db8::1
DNS=192.0.2.53 2001:db8::53
DHCP=ipv6
Domains=example.org \
    example.net
[Route]
Destination=198.51.100.0/24
Gateway=192.0.2.254
[Route]
Gateway=192.0.2.253
Metric=9
[Address]
Address=192.0.2.3/24
Label=eth0:1
END
printf '[Match]\nName=wifi\n[Network]\nDHCP=true\n' >"$run/10-netplan-wifi.network"
# Hidden by one of the same name, and one that comes last by its name, wherever it is.
printf '[Network]\nDNS=203.0.113.1\n' >"$root/usr/lib/systemd/network/20-wan.network.d/10-a.conf"
: >"$etc/20-wan.network.d/10-a.conf"
printf '[Network]\nDNS=203.0.113.2\n' >"$root/usr/lib/systemd/network/20-wan.network.d/90-b.conf"

in_effect() { sed -n 's/^NETWORK_FILE=//p' "$root/run/systemd/netif/links/2"; }
# What this machine has of the agent's.
left() { find "$etc" "$run" "$root/var/lib" -name '*omadm-*' -type f | sed 's/.*\///' | LC_ALL=C sort | paste -sd ' ' -; }
# apply PROFILE METHOD ADDRESS GATEWAY DNS SECONDS [APN [KEY]]
apply() {
    printf '{"../Change/Key":"%s"}\n' "${8-}" |
        "$wan" apply -- "$1" '' "${7-}" '' '' "$2" "$3" "$4" "$5" "$6" server 3>"$root/said" 2>"$root/told"
}
# In a process of its own, which can be killed.
begin() { exec setsid "$wan" apply -- 20-wan '' '' '' '' '' '' 192.0.2.251 '' 60 session 3>"$root/said" 2>/dev/null </dev/null; }
on_trial() { until grep -q trial "$root/said" || ! kill -0 $applied; do sleep 0.1; done 2>/dev/null; }
kept() {
    rm -f "$root/said"
    apply "$@" & applied=$!
    on_trial
    "$wan" confirm
    wait $applied
}

"$wan" list | sed 's/,"/\n  "/g'
# Nothing of a server's but addresses comes into files of root's.
wrong() {
    apply 20-wan "$@" 5
    code=$?
    [ "$code" = 1 ] && [ -z "$(left)" ] || echo "wrong $*: $code $(left)"
}
n='
'
for address in 192.0.2.300/24 192.0.2.4/33 192.0.2.4 192.0.2.4/024 0.0.0.0/24 224.0.0.9/4 "192.0.2.4/24${n}DHCP=yes" 192.0.2.4/24%H; do
    wrong manual "$address" '' ''
done
for address in 192.0.2.1%m 192.0.2.01 "192.0.2.1${n}192.0.2.1" 192.0.2 fe80::1 a.example; do
    wrong '' '' "$address" ''
    wrong '' '' '' "192.0.2.53, $address"
done
wrong shared '' '' ''
wrong '' '' '' ''
apply 20-wan manual 192.0.2.9/24 '' '' 5 internet
echo "apn $? $(cat "$root/told")"
apply 20-wan manual 192.0.2.9/24 '' '' 5 '' 'so secret'
echo "key $? $(grep -c secret "$root/told")"
apply elsewhere manual 192.0.2.9/24 '' '' 5
echo "unknown $?"
apply 10-netplan-wifi manual '' '' '' 5
echo "none $? $(cat "$root/told")"
touch "$root/broken"
apply 20-wan manual 192.0.2.9/24 '' '' 5
echo "refused $? $(left)"
rm "$root/broken"
apply 20-wan.network manual 192.0.2.9/24 '' 192.0.2.54,192.0.2.55 1
echo "late $? $(in_effect) $(left)"

kept 20-wan manual 192.0.2.9/24 192.0.2.250 '192.0.2.54, 192.0.2.55' 60
echo "kept $? $(in_effect) $(left)"
cat "$etc/0-omadm-wan-20-wan.network"
# The boot after that has the one that is kept; what the operator has changed since is in the next.
rm "$run"/0-omadm-*
networkctl reconfigure 2
echo "boot $(in_effect)"
sed -i 's/^Domains=.*/Domains=example.com/; s/^ *example.net//' "$etc/20-wan.network"
rm "$root/said"
begin & applied=$!
on_trial
grep -v '^#' "$root$(in_effect)"
kill -9 $applied
# The power fails: /run is gone, and before the agent goes back the old settings are those that are taken.
rm "$run"/0-omadm-*
networkctl reconfigure 2
echo "cut $(in_effect) $(sed -n 's/^Gateway=//p' "$root$(in_effect)" | paste -sd ' ' -)"
OMADM_RESUMED=1 apply 20-wan '' '' 192.0.2.251 '' 60
echo "resumed $? $(left) $(sed -n 's/^Gateway=//p' "$etc/0-omadm-wan-20-wan.network" | paste -sd ' ' -)"
# Its program is killed: the timer's.
rm "$root/said"
begin & applied=$!
on_trial
kill -9 $applied
"$wan" expire 2>/dev/null
echo "expired $? $(left)"
# Reject waits for none that is dead.
rm "$root/said"
begin & applied=$!
on_trial
kill -9 $applied
"$wan" reject 2>/dev/null
echo "rejected $? $(left)"
# What somebody has gone back from by hand is not kept.
rm "$root/said"
begin & applied=$!
on_trial
rm "$run"/0-omadm-*
networkctl reconfigure 2
"$wan" confirm 2>/dev/null
confirmed=$?
wait $applied
echo "by hand $? $confirmed $(left)"
# An answer that a full disk has cut off says nothing.
rm "$root/said"
begin & applied=$!
on_trial
: >"$root/var/lib/omadm-wan/answer"
sleep 2
"$wan" confirm
wait $applied
echo "half $?"
touch "$root/dhcp"
kept 20-wan auto '' '' '' 60
echo "auto $?"
grep -v '^#' "$root$(in_effect)"
# A port of a switch chip is told like one of a card.
echo DEVTYPE=dsa >"$root/sys/class/net/eth0/uevent"
"$wan" list | sed 's/,"/\n  "/g'
# A second link of the same profile.
link wifi 3 etc/systemd/network/20-wan.network configured routable
apply 20-wan manual 192.0.2.9/24 '' '' 5
echo "several $? $(cat "$root/told")"
