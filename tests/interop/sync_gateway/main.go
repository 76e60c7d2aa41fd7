// Command syncgateway is Couchbase's Sync Gateway, taken from its published Go module. It is the server
// that the replicator's tests talk to; see README.md beside this file.
package main

import (
	"context"
	"log"
	"os"

	"github.com/couchbase/sync_gateway/rest"
)

func main() {
	if len(os.Args) == 3 && os.Args[1] == "-collections" {
		log.Fatal(serveCollections(context.Background(), os.Args[2]))
	}
	rest.ServerMain()
}

// serveCollections serves the databases of a configuration file, whose scopes ServerMain would not have:
// it wants a Couchbase Server before it knows any, though buckets in memory have them too. Databases can
// neither be added nor taken away then.
func serveCollections(ctx context.Context, path string) error {
	legacy, err := rest.LoadLegacyServerConfig(path)
	if err != nil {
		return err
	}
	startup, databases, err := legacy.ToStartupConfig()
	if err != nil {
		return err
	}
	config := rest.DefaultStartupConfig("")
	if err := config.Merge(startup); err != nil {
		return err
	}
	config.Bootstrap.Server = ""
	if err := config.SetupAndValidateLogging(); err != nil {
		return err
	}
	server := rest.NewServerContext(ctx, &config, true)
	if err := server.CreateLocalDatabase(ctx, databases); err != nil {
		return err
	}
	return rest.StartServer(ctx, &config, server)
}
