"""The network between host and VM: ssh, port forwarding, proxies."""
