package iceberg

import (
	"context"
	"errors"
	"maps"
	"net"
	"slices"
	"time"

	lib "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	"github.com/apache/iceberg-go/catalog/rest"
	icebergtable "github.com/apache/iceberg-go/table"
)

// restCatalog is a REST catalog. Its tables are read and written through our stores.
type restCatalog struct {
	*rest.Catalog
	cfg   Config
	files *places
}

const callTimeout = time.Minute

// bounded is for one call of a catalog. The library waits for an answer for ever.
func (c Config) bounded(ctx context.Context) (context.Context, context.CancelFunc) {
	after := c.Timeout
	if after == 0 {
		after = callTimeout
	}
	return context.WithTimeout(ctx, after)
}

func openREST(ctx context.Context, cfg Config, address string, files *places) (catalogue, error) {
	ctx, cancel := cfg.bounded(ctx)
	defer cancel()
	properties := lib.Properties{}
	maps.Copy(properties, cfg.Properties)
	properties["uri"], properties["type"] = address, "rest"
	opened, err := catalog.Load(ctx, cfg.name(), properties)
	if err != nil {
		return nil, err
	}
	return &restCatalog{opened.(*rest.Catalog), cfg, files}, nil
}

func (c *restCatalog) close() { _ = c.Close() } // it holds idle connections

// LoadTable reads the newest metadata.
func (c *restCatalog) LoadTable(ctx context.Context, ident []string) (*icebergtable.Table, error) {
	ctx, cancel := c.cfg.bounded(ctx)
	defer cancel()
	t, err := c.Catalog.LoadTable(ctx, ident)
	if errors.Is(err, catalog.ErrNoSuchNamespace) {
		return nil, catalog.ErrNoSuchTable
	}
	if err != nil {
		return nil, err
	}
	return icebergtable.New(ident, t.Metadata(), t.MetadataLocation(), c.files.system, plain{c}), nil
}

// plain is the catalog without what the library would use of it besides, such as planning on the server.
type plain struct{ *restCatalog }

// create makes the table, and its namespace.
func (c *restCatalog) create(ctx context.Context, ident []string, schema *lib.Schema, properties lib.Properties) error {
	ctx, cancel := c.cfg.bounded(ctx)
	defer cancel()
	err := c.CreateNamespace(ctx, ident[:len(ident)-1], nil)
	// A namespace that is there may be one that this program may not make.
	if err != nil && !errors.Is(err, catalog.ErrNamespaceAlreadyExists) {
		c.cfg.Log.Debug("the namespace was not made", "error", err)
	}
	_, err = c.CreateTable(ctx, ident, schema, catalog.WithPartitionSpec(lib.UnpartitionedSpec), catalog.WithProperties(properties))
	return err
}

// CommitTable sends a commit.
func (c *restCatalog) CommitTable(ctx context.Context, ident []string, requirements []icebergtable.Requirement, updates []icebergtable.Update) (icebergtable.Metadata, string, error) {
	ctx, cancel := c.cfg.bounded(ctx)
	defer cancel()
	meta, location, err := c.Catalog.CommitTable(ctx, ident, requirements, updates)
	return meta, location, conflict(err)
}

// refusals are errors that the same request meets again.
var refusals = []error{rest.ErrBadRequest, rest.ErrUnauthorized, rest.ErrForbidden, rest.ErrAuthorizationExpired, rest.ErrOAuthError, lib.ErrNotImplemented,
	catalog.ErrNoSuchNamespace, catalog.ErrNoSuchTable}

// passing tells whether an error of a catalog may be gone when the same is tried again.
func passing(err error) bool {
	var network net.Error
	if slices.ContainsFunc(refusals, func(refusal error) bool { return errors.Is(err, refusal) }) {
		return false
	}
	return errors.Is(err, rest.ErrRESTError) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &network) || busy(err)
}

// advice is what to do about an error of a catalog.
func advice(err error) string {
	switch {
	case passing(err):
		return "nothing is lost; run again when the catalog answers, and it looks what became of this commit"
	case errors.Is(err, rest.ErrUnauthorized), errors.Is(err, rest.ErrForbidden), errors.Is(err, rest.ErrAuthorizationExpired), errors.Is(err, rest.ErrOAuthError):
		return "check the credentials for the catalog, and what they may do"
	}
	return "put the catalog in order, and run again"
}
