// Command syncgateway is Couchbase's Sync Gateway, taken from its published Go module. It is the server
// that the replicator's tests talk to; see README.md beside this file.
package main

import "github.com/couchbase/sync_gateway/rest"

func main() {
	rest.ServerMain()
}
