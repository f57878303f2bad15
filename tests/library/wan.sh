# A NetworkManager of the test's own, in namespaces of its own: one cable, one profile. $1 is the program `wan`.
mount -t tmpfs none /run && mkdir -p /run/dbus /run/NetworkManager
mount -t tmpfs none /etc/NetworkManager && mkdir /etc/NetworkManager/system-connections
mount -t tmpfs none /var/lib
# udev does not run: a /sys that can't be written says so.
mount -t sysfs -o ro sysfs /sys
printf '%s' '<busconfig><listen>unix:path=/run/dbus/system_bus_socket</listen><auth>EXTERNAL</auth><policy context="default"><allow send_destination="*"/><allow receive_sender="*"/><allow own="*"/></policy></busconfig>' >/run/bus.conf
printf '[main]\nplugins=keyfile\nauth-polkit=false\nrc-manager=unmanaged\nno-auto-default=*\n[keyfile]\nunmanaged-devices=interface-name:far\n' >/etc/NetworkManager/NetworkManager.conf
ip link set lo up
ip link add near type veth peer name far
ip link set far up
dbus-daemon --config-file=/run/bus.conf --nofork --nopidfile >/dev/null 2>&1 </dev/null &
until [ -S /run/dbus/system_bus_socket ]; do sleep 0.1; done
NetworkManager --no-daemon >/run/nm.log 2>&1 </dev/null &
until nmcli general >/dev/null 2>&1; do sleep 0.1; done
nmcli connection add type ethernet con-name uplink ifname near ipv4.method manual ipv4.addresses 192.0.2.2/24 >/dev/null
nmcli device set near managed yes
until nmcli connection up uplink >/dev/null 2>&1; do sleep 0.2; done
# What the agent says on the bus is in a file, as busctl writes it.
mkdir /run/bin
cat >/run/bin/busctl <<'END'
#!/bin/sh
case " $* " in *' org.omadm.Agent1 '*) exec cat /run/servers ;; esac
exec /usr/bin/busctl "$@"
END
# A Reject after a session is waited for less long, and what is told within a minute not at all.
wan=/run/bin/wan
cp -r "${1%/*}/wan.d" /run/bin/
sed 's/^reject_within=10/reject_within=8/; s/^tell_within=65/tell_within=0/' "$1" >$wan
# When the link was about to go up.
cat >/run/bin/nmcli <<'END'
#!/bin/sh
case " $* " in *' connection up '*) awk '{ printf "%.0f\n", $1 * 1000 }' /proc/uptime >/run/goes ;; esac
exec /usr/bin/nmcli "$@"
END
chmod +x /run/bin/*
PATH=/run/bin:$PATH
servers() {
    printf 'a{sa{sv}} 2 "a \\"b\\"" 2 "why" s "\\"outcome\\" s \\"completed\\"" "lastBeganUptime" t 99999999999999 "acme" 6 "state" s "idle" "outcome" s "%s" "held" b false "lastBeganUptime" t %s "lastEndedUptime" t %s "lastInterfaces" av %s\n' "$@" >/run/servers
}
apply() { "$wan" apply -- "$1" '' '' '' '' '' "$2" '' '' "$3" "${4-session}" 3>/run/said </dev/null; }
address() { ip -4 -o address show dev near | awk '{ print $4 }'; }
now() { awk '{ printf "%.0f\n", $1 * 1000 }' /proc/uptime; }
on_trial() { until grep -q trial /run/said; do sleep 0.1; done 2>/dev/null; }

"$wan" list
echo "before $(address)"
apply uplink 192.0.2.9/24 60 & applied=$!
on_trial
echo "trial $(address)"
"$wan" confirm
echo "confirm $?"
wait $applied
echo "apply $? $(address) $(ls /var/lib/omadm-wan)"
# Who is killed has not said that its trial is over: the next one does.
echo "said $(sed 's/.*: "//; s/".*//' /run/said | paste -sd ' ' -)"
rm /run/said
# What goes back while a Confirm waits is not confirmed.
setsid sh -c 'exec "$0" apply -- uplink "" "" "" "" "" 192.0.2.6/24 "" "" 60 session 3>/run/said' "$wan" & applied=$!
on_trial
kill -STOP $applied
"$wan" confirm & confirmed=$!
kill -9 $applied
until [ -e /var/lib/omadm-wan/answer ]; do sleep 0.1; done
OMADM_RESUMED=1 "$wan" apply -- uplink '' '' '' '' '' 192.0.2.6/24 '' '' 60 session 3>/run/said </dev/null
wait $confirmed
echo "unconfirmed $? $(address)"
rm /run/said
apply uplink 192.0.2.7/24 1
echo "late $? $(address)"

apply uplink 203.0.113.300/24 60
echo "wrong $? $(address)"
rm /run/said
setsid sh -c 'exec "$0" apply -- uplink "" "" "" "" "" 192.0.2.8/24 "" "" 60 session 3>/run/said' "$wan" & applied=$!
on_trial
echo "cut $(address)"
kill -9 $applied
OMADM_RESUMED=1 "$wan" apply -- uplink '' '' '' '' '' 192.0.2.8/24 '' '' 60 session 3>/run/said </dev/null
echo "resumed $? $(address)"
apply elsewhere 192.0.2.7/24 60
echo "unknown $?"
"$wan" confirm
echo "nothing $?"

# Sessions that are none of the trial's: over another link, begun before, failed, ended before the link was up. Then one that
# is, over a bridge, and began as soon as there was a link.
rm -f /run/said
before=$(now)
apply uplink 192.0.2.10/24 60 2>/run/told & applied=$!
on_trial
goes=$(($(cat /run/goes) + 1)) ended=$(now)
for said in "completed $ended $ended 1_s_\"far\"" "completed $before $ended 1_s_\"near\"" "failed $ended $ended 1_s_\"near\"" \
    "completed $goes $goes 1_s_\"near\""; do
    # shellcheck disable=SC2086
    servers ${said% *} "$(echo "${said##* }" | tr _ ' ')"
    sleep 3
    ! grep -q 'has gone well' /run/told || echo "kept by $said"
done
servers completed "$goes" "$ended" '2 s "br0" s "near"'
wait $applied
echo "session $? $(address) $(ls /var/lib/omadm-wan)"
# The power fails before that is told.
OMADM_RESUMED=1 apply uplink 192.0.2.10/24 60
echo "told $?"
"$wan" confirm
echo "again $?"
apply uplink 192.0.2.11/24 4 server
echo "asked $? $(address)"
rm /run/said
apply uplink 192.0.2.12/24 60 2>/run/told & applied=$!
on_trial
servers completed "$(now)" "$(now)" 0
until grep -q 'has gone well' /run/told; do sleep 0.1; done
sleep 2
"$wan" reject
wait $applied
echo "rejected $? $(address) $(grep -c 'has gone well' /run/told)"
rm /run/said
apply uplink 192.0.2.13/24 60 & applied=$!
on_trial
servers completed "$(now)" "$(now)" 0
wait $applied
echo "somewhere $? $(address)"
rm /run/servers

# Secrets come by standard input, reach the profile as they were written, are in no command line, and are not left behind.
cat >/run/bin/nmcli <<'END'
#!/bin/sh
case " $* " in *' connection up '*)
    stat -c %a /etc/NetworkManager/system-connections/new*
    for _ in 1 2 3 4 5; do
        said=$(/usr/bin/nmcli --terse --escape no --show-secrets --get-values gsm.password,802-11-wireless-security.psk connection show new | sed '/^$/d')
        [ -z "$said" ] || break
        sleep 1
    done
    printf '%s\n' "$said"
    ;;
esac >>/run/reached
exec /usr/bin/nmcli "$@"
END
chmod +x /run/bin/nmcli
(while :; do cat /proc/[0-9]*/cmdline; done 2>/dev/null | tr '\0' '\n' | grep -a --line-buffered '[o]Ch9' >/run/seen) & watching=$!
printf '{"../Change/AuthName":"\\"../Change/Key\\":\\"no","../Change/Key":"oCh9\\"E \\\\KEY"}\n' >/run/key
printf '{"../Change/AuthSecret":" a\\\\oCh9#;%%\\"","../Change/Key":""}\n' >/run/password
"$wan" apply -- new wifi '' '' net '' '' '' '' 60 session 3>/run/said </run/key
echo "key $? $(paste -sd ' ' /run/reached)"
rm /run/reached
"$wan" apply -- new gsm internet me '' '' '' '' '' 60 session 3>/run/said </run/password
echo "password $? $(paste -sd ' ' /run/reached)"
kill $watching
echo "seen $(cat /run/seen)$(ls /var/lib/omadm-wan)$(grep -rl oCh9 /etc/NetworkManager)"
