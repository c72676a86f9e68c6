package iceberg

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"path"
	"strconv"
	"strings"

	lib "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergtable "github.com/apache/iceberg-go/table"
	_ "github.com/lib/pq" // a driver
	"modernc.org/sqlite"
	sqlite3 "modernc.org/sqlite/lib"
)

// sqlCatalog is a catalog in a database, in the two tables that PyIceberg and Java share. The library's own would bring an
// object mapper and four more dialects along, and removes metadata when the answer of a commit is lost.
type sqlCatalog struct {
	db     *sql.DB
	driver string
	cfg    Config
	files  *places
}

// database is the driver and its name for a database that is named as PyIceberg (SQLAlchemy) does.
func database(dsn string) (name, source string, err error) {
	scheme, rest, ok := strings.Cut(dsn, "://")
	scheme, _, _ = strings.Cut(scheme, "+") // the driver in Python
	switch {
	case ok && scheme == "sqlite":
		file, found := strings.CutPrefix(rest, "/")
		if !found || file == "" || strings.ContainsAny(file, "?#") {
			return "", "", errors.New("write sql:sqlite:///FILE, with four slashes before an absolute path")
		}
		// Writers wait for each other, and take the lock at once.
		return "sqlite", "file:" + (&url.URL{Path: file}).EscapedPath() + "?_pragma=busy_timeout(10000)&_txlock=immediate", nil
	case ok && (scheme == "postgresql" || scheme == "postgres"):
		u, err := url.Parse("postgres://" + rest)
		if err != nil {
			return "", "", errors.New("the address of the database cannot be read")
		}
		if _, secret := u.User.Password(); secret || u.Query().Has("password") || u.Query().Has("sslpassword") {
			return "", "", errors.New("the address of a database cannot hold a password; use PGPASSWORD or a password file")
		}
		return "postgres", u.String(), nil
	}
	return "", "", errors.New("write sql:sqlite:///FILE or sql:postgresql://USER@HOST/DATABASE")
}

const (
	catalogTables = `CREATE TABLE IF NOT EXISTS iceberg_tables (
  catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL,
  metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5),
  PRIMARY KEY (catalog_name, table_namespace, table_name))`
	catalogNamespaces = `CREATE TABLE IF NOT EXISTS iceberg_namespace_properties (
  catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, property_key VARCHAR(255) NOT NULL, property_value VARCHAR(1000),
  PRIMARY KEY (catalog_name, namespace, property_key))`
)

func openSQL(ctx context.Context, cfg Config, dsn string, files *places) (*sqlCatalog, error) {
	name, source, err := database(dsn)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open(name, source)
	if err != nil {
		return nil, err
	}
	c := &sqlCatalog{db, name, cfg, files}
	if c.ready(ctx) == nil {
		return c, nil
	}
	for _, statement := range []string{catalogTables, catalogNamespaces} {
		// Whoever makes a table while another process does fails in PostgreSQL, once that process is done, in spite of
		// IF NOT EXISTS: at the second try the table is there.
		if _, err = c.exec(ctx, statement); err != nil {
			_, err = c.exec(ctx, statement)
		}
		if err != nil && c.ready(ctx) != nil {
			c.close()
			return nil, err
		}
	}
	return c, nil
}

// ready tells whether the tables of the catalog are there: whoever registers may not be the one who may make them.
func (c *sqlCatalog) ready(ctx context.Context) error {
	_, err := c.exec(ctx, `SELECT 1 FROM iceberg_tables, iceberg_namespace_properties WHERE 1 = 0`)
	return err
}

func (c *sqlCatalog) close() { _ = c.db.Close() } // what was committed is durable

// busy tells whether another process held the database for too long, or a connection broke.
func busy(err error) bool {
	var e *sqlite.Error
	return errors.As(err, &e) && (e.Code()&0xff == sqlite3.SQLITE_BUSY || e.Code()&0xff == sqlite3.SQLITE_LOCKED) || errors.Is(err, driver.ErrBadConn)
}

// bound is a statement with the placeholders that the driver knows.
func (c *sqlCatalog) bound(statement string) string {
	if c.driver != "postgres" {
		return statement
	}
	var b strings.Builder
	n := 0
	for _, r := range statement {
		if r == '?' {
			n++
			b.WriteString("$" + strconv.Itoa(n))
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}

// exec runs a statement, and tells how many rows it changed.
func (c *sqlCatalog) exec(ctx context.Context, statement string, args ...any) (int64, error) {
	ctx, cancel := c.cfg.bounded(ctx)
	defer cancel()
	result, err := c.db.ExecContext(ctx, c.bound(statement), args...)
	if err != nil {
		return 0, err
	}
	return result.RowsAffected()
}

// location is where the newest metadata of a table lies.
func (c *sqlCatalog) location(ctx context.Context, ident []string) (location string, err error) {
	ctx, cancel := c.cfg.bounded(ctx)
	defer cancel()
	var found sql.NullString
	err = c.db.QueryRowContext(ctx, c.bound(`SELECT metadata_location FROM iceberg_tables WHERE catalog_name = ? AND table_namespace = ? AND table_name = ?`),
		c.key(ident)...).Scan(&found)
	if errors.Is(err, sql.ErrNoRows) || err == nil && found.String == "" {
		return "", catalog.ErrNoSuchTable
	}
	return found.String, err
}

func (c *sqlCatalog) key(ident []string) []any {
	last := len(ident) - 1
	return []any{c.cfg.name(), strings.Join(ident[:last], "."), ident[last]}
}

// LoadTable reads the newest metadata.
func (c *sqlCatalog) LoadTable(ctx context.Context, ident []string) (*icebergtable.Table, error) {
	location, err := c.location(ctx, ident)
	if err != nil {
		return nil, err
	}
	return icebergtable.NewFromLocation(ctx, ident, location, c.files.system, c)
}

// home is where a table is made to lie that is in a database.
func home(cfg Config, files *places, ident []string) string {
	namespace, name := strings.Join(ident[:len(ident)-1], "."), ident[len(ident)-1]
	if warehouse := cfg.Properties["warehouse"]; warehouse != "" {
		return strings.TrimRight(warehouse, "/") + "/" + namespace + ".db/" + name
	}
	return files.uri(path.Join(Dir, namespace, name))
}

// create makes the table, and its namespace.
func (c *sqlCatalog) create(ctx context.Context, ident []string, schema *lib.Schema, properties lib.Properties) error {
	namespace := strings.Join(ident[:len(ident)-1], ".")
	if _, err := c.exec(ctx, `INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, property_value) VALUES (?, ?, 'exists', 'true')
  ON CONFLICT DO NOTHING`, c.cfg.name(), namespace); err != nil {
		return err
	}
	meta, err := icebergtable.NewMetadata(schema, lib.UnpartitionedSpec, icebergtable.UnsortedSortOrder, home(c.cfg, c.files, ident), properties)
	if err != nil {
		return err
	}
	location, err := c.write(ctx, meta, 0)
	if err != nil {
		return err
	}
	n, err := c.exec(ctx, `INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, metadata_location) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING`,
		append(c.key(ident), location)...)
	if err == nil && n == 0 {
		return catalog.ErrTableAlreadyExists
	}
	return err
}

// write puts a version of the metadata.
func (c *sqlCatalog) write(ctx context.Context, meta icebergtable.Metadata, version int) (string, error) {
	properties := maps.Clone(meta.Properties())
	delete(properties, icebergtable.MetadataCompressionKey)
	provider, err := icebergtable.LoadLocationProvider(meta.Location(), properties)
	if err != nil {
		return "", err
	}
	location, err := provider.NewTableMetadataFileLocation(version)
	if err != nil {
		return "", err
	}
	text, err := jsonText(meta)
	if err != nil {
		return "", err
	}
	return location, c.files.at(ctx).WriteFile(location, text)
}

// version is the number in the name of a file of metadata; others may name theirs differently.
func version(location string) int {
	number, _, _ := strings.Cut(base(location), "-")
	n, err := strconv.Atoi(number)
	if err != nil {
		return 0
	}
	return n
}

// CommitTable replaces the metadata if they are still those that the updates were made for.
func (c *sqlCatalog) CommitTable(ctx context.Context, ident []string, requirements []icebergtable.Requirement, updates []icebergtable.Update) (icebergtable.Metadata, string, error) {
	before, err := c.LoadTable(ctx, ident)
	if err != nil {
		return nil, "", err
	}
	for _, r := range requirements {
		if err := r.Validate(before.Metadata()); err != nil {
			return nil, "", fmt.Errorf("%w: %s", errConflict, err.Error())
		}
	}
	meta, err := icebergtable.UpdateTableMetadata(before.Metadata(), updates, before.MetadataLocation())
	if err != nil {
		return nil, "", err
	}
	location, err := c.write(ctx, meta, version(before.MetadataLocation())+1)
	if err != nil {
		return nil, "", err
	}
	n, err := c.exec(ctx, `UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = ? WHERE catalog_name = ? AND table_namespace = ? AND table_name = ? AND metadata_location = ?`,
		append(append([]any{location, before.MetadataLocation()}, c.key(ident)...), before.MetadataLocation())...)
	if err != nil {
		return nil, "", err
	}
	if n == 0 {
		return nil, "", errConflict
	}
	return meta, location, nil
}
