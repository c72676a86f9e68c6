package iceberg

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	lib "github.com/apache/iceberg-go"
	"github.com/apache/iceberg-go/catalog"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink/table"
)

// Settings name a table.
type Settings struct {
	Catalog string // rest:URL or sql:DSN, without secrets
	Table   string // NAMESPACE.NAME, the namespace of one part or more
	Name    string // of the catalog; "" is default
	// Properties are those that PyIceberg knows, secrets among them.
	Properties map[string]string
}

// Check tells what is wrong with the settings, before anything is opened.
func (s Settings) Check() error {
	kind, place, ok := strings.Cut(s.Catalog, ":")
	parts := strings.Split(s.Table, ".")
	switch {
	case s.Catalog == "":
		return errors.New("an Iceberg table needs a catalog: rest:URL, or sql:DSN such as sql:sqlite:////srv/catalog.db")
	case !ok || place == "" || kind != "rest" && kind != "sql":
		return errors.New("the catalog is neither rest:URL nor sql:DSN")
	case len(parts) < 2 || slices.Contains(parts, ""):
		return fmt.Errorf("the table %q is not NAMESPACE.NAME", s.Table)
	case kind == "sql":
		_, _, err := database(place)
		return err
	}
	u, err := url.Parse(place)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return errors.New("the REST catalog's address is not an http or https URL")
	}
	if u.User != nil || u.RawQuery != "" {
		return errors.New("the address of a catalog cannot hold credentials or parameters; they come from the environment")
	}
	return nil
}

func (s Settings) name() string {
	if s.Name == "" {
		return "default"
	}
	return s.Name
}

// catalogue is what is needed of a catalog. A commit that another writer was faster than is errConflict; any other error
// of a commit leaves open whether it took place.
type catalogue interface {
	icebergtable.CatalogIO
	create(ctx context.Context, ident []string, schema *lib.Schema, properties lib.Properties) error
	close()
}

// errConflict is an error of its own because the library would try again by itself after one that it knows, without
// looking whether the files are there.
var errConflict = errors.New("another writer has changed the table")

func conflict(err error) error {
	if errors.Is(err, icebergtable.ErrCommitFailed) {
		return fmt.Errorf("%w: %s", errConflict, err.Error())
	}
	return err
}

func (t *Table) connect(ctx context.Context) (catalogue, error) {
	kind, place, _ := strings.Cut(t.cfg.Catalog, ":")
	if kind == "sql" {
		return openSQL(ctx, t.cfg, place, t.files)
	}
	return openREST(ctx, t.cfg, place, t.files)
}

// refused is an error of a catalog, or of what lies behind it. Those of the output's store stay as they are.
func (t *Table) refused(what string, err error) error {
	var known *table.Error
	if err == nil || errors.As(err, &known) || errors.Is(err, catalog.ErrNoSuchTable) {
		return err
	}
	return &table.Error{Reason: table.Catalog, Message: fmt.Sprintf("%s: %v", what, err), Err: err, Again: passing(err), Hint: advice(err)}
}
