/etc/omadm/
