// Command syncgateway runs Couchbase's Sync Gateway from its published Go module. The replicator's tests
// connect to it; see README.md in this folder.
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

// serveCollections serves the databases of a configuration file, including their scopes. ServerMain supports
// scopes only with a Couchbase Server, although buckets in memory have scopes too. No databases can be added or
// removed later.
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
