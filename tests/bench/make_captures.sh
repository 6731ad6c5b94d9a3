#!/bin/bash
# make_captures.sh - the two captures that the benchmarks read: nginx and wrk over a veth pair.
#
#     tests/bench/make_captures.sh [FOLDER]          default ${TMPDIR:-/tmp}/weir-bench-captures
#
# FOLDER/1k.pcap   1,000,000 packets, bodies of 1 KiB, 50 keep-alive connections
# FOLDER/15k.pcap  1,000,000 packets, bodies of 15 KiB, the same
#
# About 0.75 and 1.25 GB. Segments are as large as the link's MTU allows and no larger (gso_max_segs 1), as a TAP would
# bring them, so a response of 1 KiB is one packet and one of 15 KiB eleven. Needs root, nginx, wrk, tcpdump and ip. A capture that is there with all its packets is kept.
# Leaves nothing behind but the captures.
set -euo pipefail
export PATH=$PATH:/usr/sbin:/sbin

folder=${1:-${TMPDIR:-/tmp}/weir-bench-captures}
PACKETS=1000000
CONNECTIONS=50
CLIENT_NS=weir-bench-client-$$
SERVER_NS=weir-bench-server-$$
nginx_pid= wrk_pid= work=

die() {
    echo "make_captures: $*" >&2
    exit 1
}

leave_nothing() {
    trap - EXIT
    [ -z "$wrk_pid" ] || kill "$wrk_pid" 2>/dev/null || true
    [ -z "$nginx_pid" ] || kill "$nginx_pid" 2>/dev/null || true
    wait 2>/dev/null || true
    ip netns del "$CLIENT_NS" 2>/dev/null || true
    ip netns del "$SERVER_NS" 2>/dev/null || true
    [ -z "$work" ] || rm -rf "$work"
}
trap leave_nothing EXIT
trap 'exit 130' INT TERM

[ "$(id -u)" = 0 ] || die "network namespaces and tcpdump need root"
for program in nginx wrk tcpdump ip; do
    command -v $program >/dev/null || die "$program is not installed"
done

lab() {
    ip netns add "$CLIENT_NS"
    ip netns add "$SERVER_NS"
    ip link add veth0 netns "$CLIENT_NS" type veth peer name veth0 netns "$SERVER_NS"
    ip -n "$CLIENT_NS" addr add 10.83.0.1/24 dev veth0
    ip -n "$SERVER_NS" addr add 10.83.0.2/24 dev veth0
    ip -n "$CLIENT_NS" link set veth0 gso_max_segs 1 up
    ip -n "$SERVER_NS" link set veth0 gso_max_segs 1 up
    mkdir "$work/www"
    head -c 1024 /dev/zero | tr '\0' x >"$work/www/1024"
    head -c 15360 /dev/zero | tr '\0' x >"$work/www/15360"
    chmod -R a+rX "$work"
    cat >"$work/nginx.conf" <<END
worker_processes 1;
daemon off;
pid $work/nginx.pid;
error_log $work/error.log;
events { worker_connections 1024; }
http {
    access_log off;
    keepalive_requests 100000000;
    sendfile on;
    tcp_nopush on;
    client_body_temp_path $work; proxy_temp_path $work; fastcgi_temp_path $work; uwsgi_temp_path $work; scgi_temp_path $work;
    server { listen 10.83.0.2:80; root $work/www; }
}
END
    ip netns exec "$SERVER_NS" nginx -e "$work/error.log" -p "$work" -c "$work/nginx.conf" &
    nginx_pid=$!
    for _ in $(seq 100); do
        [ -s "$work/nginx.pid" ] && return
        sleep 0.05
    done
    die "nginx did not start: $(cat "$work/error.log")"
}

# whole FILE - was this capture made to its end, and is it as it was then?
whole() {
    [ -f "$1" ] && [ -f "$1.packets" ] && [ "$(cat "$1.packets")" = "$PACKETS $(stat -c %s "$1")" ]
}

# capture FILE BODY_BYTES - tcpdump first, so that every connection is there from its SYN on. Returns 1 if packets were lost.
capture() {
    local file=$1 body=$2 tcpdump_pid dropped
    ip netns exec "$SERVER_NS" tcpdump -i veth0 -n -s 0 -B 1048576 -Z root -c $PACKETS -w "$file" 'tcp port 80' \
        2>"$work/tcpdump.log" &
    tcpdump_pid=$!
    for _ in $(seq 200); do
        grep -q 'listening on' "$work/tcpdump.log" && break
        sleep 0.05
    done
    ip netns exec "$CLIENT_NS" wrk -t 1 -c $CONNECTIONS -d 600s "http://10.83.0.2/$body" >/dev/null &
    wrk_pid=$!
    wait $tcpdump_pid || die "tcpdump failed: $(cat "$work/tcpdump.log")"
    kill $wrk_pid 2>/dev/null || true
    wait $wrk_pid 2>/dev/null || true
    wrk_pid=
    dropped=$(sed -n 's/ packets dropped by kernel//p' "$work/tcpdump.log")
    echo "make_captures: $file: $PACKETS packets, $(stat -c %s "$file") bytes, ${dropped:-0} lost on the way"
    [ "${dropped:-0}" = 0 ]
}

# capture_whole FILE BODY_BYTES - a busy machine loses packets when the disk is slow; the next try may not.
capture_whole() {
    local try
    whole "$1" && return
    for try in 1 2 3 4 5; do
        if capture "$@"; then
            echo "$PACKETS $(stat -c %s "$1")" >"$1.packets"
            return
        fi
    done
    die "packets were lost at every try: use a faster FOLDER, such as one in /dev/shm"
}

mkdir -p "$folder"
if whole "$folder/1k.pcap" && whole "$folder/15k.pcap"; then
    echo "make_captures: $folder has both captures already"
    exit 0
fi
work=$(mktemp -d "${TMPDIR:-/tmp}/weir-bench-XXXXXX")
lab
capture_whole "$folder/1k.pcap" 1024
capture_whole "$folder/15k.pcap" 15360
