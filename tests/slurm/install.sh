#!/bin/sh
# Debian's slurm-wlm and munge where they are missing. Their own daemons stay off: the tests start their own.
set -eu
PATH="$PATH:/usr/sbin:/sbin"
missing=
command -v munged >/dev/null || missing="munge"
{ command -v slurmctld && command -v slurmd && command -v sbatch; } >/dev/null || missing="$missing slurm-wlm"
[ -n "$missing" ] || exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  echo "error: SLURM is not on this machine; on Debian or Ubuntu, as root: apt-get install" $missing >&2
  exit 1
fi
policy=/usr/sbin/policy-rc.d  # what Debian asks before a package starts a service: 101 forbids it
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' >$policy
  chmod +x $policy
fi
echo "Installing" $missing "..."
apt-get update -qq
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
