"""The query service on SkyServe: equal machines behind one load balancer."""
