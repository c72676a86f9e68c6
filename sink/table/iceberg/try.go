package iceberg

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/apache/iceberg-go/catalog"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink/table"
)

// Trial is a look at a catalog and its table that makes and changes nothing. It is for one goroutine.
type Trial struct {
	table *Table
	empty bool // the catalog has no tables yet, not even those of a database that it consists of
	there bool // the table
}

// Try opens the catalog. Of a database it also finds out whether its tables can be made and written.
func Try(ctx context.Context, cfg Config) (*Trial, error) {
	t, err := prepare(cfg)
	if err != nil {
		return nil, err
	}
	x := &Trial{table: t}
	if kind, dsn, _ := strings.Cut(cfg.Catalog, ":"); kind == "sql" {
		err = x.trySQL(ctx, dsn)
	} else {
		t.catalog, err = t.connect(ctx)
	}
	if err != nil {
		x.Close()
		return nil, t.refused("open the catalog", err)
	}
	return x, nil
}

// Close lets the catalog go. It may be called again.
func (x *Trial) Close() {
	if x.table.catalog != nil {
		x.table.catalog.close()
	}
	x.table.files.close()
}

// There tells whether the catalog is there: a database in a file is made by the first registration.
func (x *Trial) There() bool { return x.table.catalog != nil }

// Load tells whether the table is there. An error says why it cannot be read, or takes no files of ours.
func (x *Trial) Load(ctx context.Context) (there bool, err error) {
	if x.empty {
		return false, nil
	}
	t := x.table
	err = t.load(ctx)
	if errors.Is(err, catalog.ErrNoSuchTable) {
		return false, nil
	}
	if err == nil {
		x.there = true
		_, err = t.growth()
	}
	if err == nil {
		err = t.refused("read the files of the table "+t.cfg.Table, t.files.list(ctx, t.now))
	}
	return x.there, err
}

// Metadata is the directory outside of the output where the table's metadata are put. It is "" if that is in the output, or
// not known because the catalog chooses it when the table is made.
func (x *Trial) Metadata() (string, error) {
	t := x.table
	location, properties := "", map[string]string{}
	switch kind, _, _ := strings.Cut(t.cfg.Catalog, ":"); {
	case x.there:
		location, properties = t.now.Location(), t.now.Properties()
	case kind == "sql":
		location = home(t.cfg, t.files, t.ident)
	default:
		return "", nil
	}
	provider, err := icebergtable.LoadLocationProvider(location, properties)
	if err != nil {
		return "", t.refused("find the metadata of the table "+t.cfg.Table, err)
	}
	file, err := provider.NewTableMetadataFileLocation(0)
	if err != nil {
		return "", t.refused("find the metadata of the table "+t.cfg.Table, err)
	}
	if file = normal(file); strings.HasPrefix(file, normal(t.cfg.Root)+"/") {
		return "", nil
	}
	return file[:strings.LastIndex(file, "/")], nil
}

// trySQL opens a database without making it, or anything in it.
func (x *Trial) trySQL(ctx context.Context, dsn string) error {
	name, source, err := database(dsn)
	if err != nil {
		return err
	}
	if name == "sqlite" {
		if x.empty, err = unmade(source); x.empty || err != nil {
			return err
		}
	}
	db, err := sql.Open(name, source)
	if err != nil {
		return err
	}
	c := &sqlCatalog{db, name, x.table.cfg, x.table.files}
	x.table.catalog = c
	x.empty, err = c.rehearse(ctx)
	return err
}

// unmade tells whether the file of a database is not there yet, and can be made.
func unmade(source string) (bool, error) {
	file, _, _ := strings.Cut(strings.TrimPrefix(source, "file:"), "?")
	file, err := url.PathUnescape(file)
	if err != nil {
		return false, err
	}
	if _, err := os.Stat(file); !errors.Is(err, fs.ErrNotExist) {
		return false, err
	}
	// SQLite makes the file, but no directory.
	beside, err := os.CreateTemp(filepath.Dir(file), ".tw2parquet-check-*")
	if err != nil {
		return false, &table.Error{Reason: table.Catalog, Err: err, Message: fmt.Sprintf("the database of the catalog cannot be made: %v", err), Hint: "make the directory, with the right to write there"}
	}
	return true, errors.Join(beside.Close(), os.Remove(beside.Name()))
}

// rehearse does in a transaction what a registration does to the database, and takes it back. It tells whether the
// tables of the catalog are not there yet.
func (c *sqlCatalog) rehearse(ctx context.Context) (empty bool, err error) {
	var statements []string
	if c.ready(ctx) != nil {
		empty, statements = true, []string{catalogTables, catalogNamespaces}
	}
	statements = append(statements,
		`INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key) SELECT catalog_name, namespace, property_key FROM iceberg_namespace_properties WHERE 1 = 0`,
		`INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name) SELECT catalog_name, table_namespace, table_name FROM iceberg_tables WHERE 1 = 0`,
		`UPDATE iceberg_tables SET metadata_location = metadata_location, previous_metadata_location = metadata_location WHERE 1 = 0`)
	ctx, cancel := c.cfg.bounded(ctx)
	defer cancel()
	tx, err := c.db.BeginTx(ctx, nil)
	if err != nil {
		return empty, err
	}
	defer func() { _ = tx.Rollback() }() // a connection that breaks takes it back as well
	for _, s := range statements {
		if _, err := tx.ExecContext(ctx, s); err != nil {
			return empty, err
		}
	}
	return empty, nil
}
