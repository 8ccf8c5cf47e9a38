#!/usr/bin/env bash
# Runs a command as on several machines: each host is a network namespace of this one, and all hang at a
# switch by links of a given speed. The processors are shared, so only what the network costs is real.
#   scripts/emulate_hosts.sh HOSTS RATE COMMAND...
#     HOSTS  how many;  RATE  of each link and direction, as tc says it: 1gbit, 10gbit
# `mpirun` in COMMAND is one whose hosts these are, with a slot each:
#   scripts/emulate_hosts.sh 4 1gbit mpirun -n 4 build/resgrad train --shards 4 ...
# COMMAND runs on the first host. Needs root, iproute2 and, for mpirun, Open MPI. The machine's own network is
# left alone, and all is gone afterwards.
set -euo pipefail

if [[ ${1:-} == -h || ${1:-} == --help ]]; then
  sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"
  exit 0
fi
if (($# < 3)) || [[ ! $1 =~ ^[1-9][0-9]?$ ]]; then
  echo "emulate_hosts: expected HOSTS (1 to 99) RATE COMMAND..., got: $*" >&2
  exit 2
fi
hosts=$1 rate=$2
shift 2
name=resgrad$$ network=10.77.0
scratch=$(mktemp -d)

cleanup() {
  local host
  for host in $(seq 0 "$hosts"); do ip netns delete "$name-$host" 2>/dev/null || true; done
  rm -rf "$scratch"
}
trap cleanup EXIT

# Namespace 0 is the switch.
ip netns add "$name-0"
ip -n "$name-0" link add switch type bridge
ip -n "$name-0" link set switch up
for host in $(seq "$hosts"); do
  ip netns add "$name-$host"
  ip -n "$name-$host" link set lo up
  ip -n "$name-$host" link add eth0 type veth peer name "port$host" netns "$name-0"
  ip -n "$name-0" link set "port$host" master switch up
  ip -n "$name-$host" address add "$network.$host/24" dev eth0
  ip -n "$name-$host" link set eth0 up
  ip netns exec "$name-$host" tc qdisc add dev eth0 root tbf rate "$rate" burst 256kb latency 50ms
  ip netns exec "$name-0" tc qdisc add dev "port$host" root tbf rate "$rate" burst 256kb latency 50ms
  echo "$network.$host slots=1" >>"$scratch/hostfile"
done

# on HOST COMMAND...: in its namespace, under a host name of its own, by which Open MPI tells hosts apart.
cat >"$scratch/on" <<END
#!/usr/bin/env bash
host=\${1##*.}
shift
exec ip netns exec $name-\$host unshare --uts bash -c "hostname host\$host; exec \$*"
END
chmod +x "$scratch/on"

export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
# Every parameter of mpirun can come from the environment.
export OMPI_MCA_orte_default_hostfile=$scratch/hostfile OMPI_MCA_plm_rsh_agent=$scratch/on
export OMPI_MCA_btl=tcp,self OMPI_MCA_btl_tcp_if_include=$network.0/24 OMPI_MCA_oob_tcp_if_include=$network.0/24
export OMPI_MCA_hwloc_base_binding_policy=none
"$scratch/on" "$network.1" "$(printf '%q ' "$@")"
