package main

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
	tables "tw2parquet/sink/table"
)

// catalogFlags say which catalog an Iceberg table is in.
type catalogFlags struct {
	Catalog    string   `name:"catalog" placeholder:"KIND:ADDRESS" help:"With --format iceberg: rest:URL, sql:sqlite:///FILE or sql:postgresql://USER@HOST/DATABASE; if not given, as PYICEBERG_CATALOG__DEFAULT__URI says." group:"Running"`
	Properties []string `name:"catalog-property" placeholder:"K=V" sep:"none" help:"A property of the catalog as PyIceberg knows it, such as warehouse=…, and name=… for its name; repeatable. Secrets come from the environment: PYICEBERG_CATALOG__DEFAULT__TOKEN, …__CREDENTIAL." group:"Running"`
}

func (c catalogFlags) given() bool { return c.Catalog != "" || len(c.Properties) > 0 }

// tableFlags say in which table windows are registered.
type tableFlags struct {
	Format *string `name:"format" enum:"iceberg,delta" help:"With --register: iceberg, a table in a catalog, or delta, the table that OUT then is (default delta)." group:"Running"`
	Table  string  `name:"table" placeholder:"NAMESPACE.NAME" help:"With --format iceberg: the table." group:"Running"`
	catalogFlags
}

// named checks what the flags say of the table: nil settings if it is not an Iceberg table.
func (c tableFlags) named(register bool) (*icebergSettings, error) {
	format := ""
	if c.Format != nil {
		format = *c.Format
	}
	switch about := c.Table != "" || c.given(); {
	case !register && (format != "" || about):
		return nil, usagef("--format, --table, --catalog and --catalog-property go with --register")
	case format != "iceberg" && about:
		return nil, usagef("--table, --catalog and --catalog-property go with --format iceberg")
	case format != "iceberg":
		return nil, nil
	}
	s, err := c.settings(c.Table, os.Environ())
	return &s, err
}

// icebergSettings name an Iceberg table.
type icebergSettings struct {
	Catalog, Table, Name string
	Properties           map[string]string
}

// catalogVariable begins the variables that PyIceberg reads: PYICEBERG_CATALOG__NAME__KEY, where __ stands for a dot in the key, and _
// for a dash.
const catalogVariable = "PYICEBERG_CATALOG__"

// catalogVariables are what the environment says of a catalog.
func catalogVariables(environ []string, name string) map[string]string {
	found := map[string]string{}
	for _, entry := range environ {
		variable, value, _ := strings.Cut(entry, "=")
		rest, ok := strings.CutPrefix(variable, catalogVariable)
		if !ok || blank(value) {
			continue
		}
		catalog, key, ok := strings.Cut(rest, "__")
		if ok && (name == "" || strings.EqualFold(catalog, name)) {
			found[strings.ReplaceAll(strings.ReplaceAll(strings.ToLower(key), "__", "."), "_", "-")] = value
		}
	}
	return found
}

// plainProperty tells whether a property holds no secret.
func plainProperty(key string) bool {
	return slices.Contains([]string{"name", "oauth2-server-uri", "rest.authorization-url"}, key) || slices.Contains(tables.PlainProperties, key)
}

// catalogSecrets are what the environment holds for catalogs.
func catalogSecrets(environ []string) (secrets []string) {
	for key, value := range catalogVariables(environ, "") {
		if key == "uri" {
			secrets = append(secrets, argumentSecrets(value)...)
		}
		if plainProperty(key) || key == "uri" || key == "type" {
			continue
		}
		secrets = append(secrets, value)
		if _, secret, ok := strings.Cut(value, ":"); ok && key == "credential" {
			secrets = append(secrets, secret)
		}
	}
	return secrets
}

// settings are what flags and environment say of a table.
func (c catalogFlags) settings(table string, environ []string) (icebergSettings, error) {
	s := icebergSettings{Catalog: c.Catalog, Table: table, Properties: map[string]string{}}
	for _, p := range c.Properties {
		key, value, ok := strings.Cut(p, "=")
		switch {
		case !ok || key == "" || value == "":
			return s, usagef("--catalog-property: write KEY=VALUE")
		case !plainProperty(key):
			return s, usagef("--catalog-property %s: this can hold a secret, or has no meaning here; secrets belong in the environment, as %s%s__%s", key, catalogVariable,
				"DEFAULT", strings.ToUpper(strings.NewReplacer(".", "__", "-", "_").Replace(key)))
		case key == "name":
			s.Name = value
		default:
			s.Properties[key] = value
		}
	}
	if s.Name == "" {
		s.Name = "default"
	}
	for key, value := range catalogVariables(environ, s.Name) {
		if s.Properties[key] == "" {
			s.Properties[key] = value
		}
	}
	s.Catalog = cmp.Or(s.Catalog, catalogAddress(s.Properties))
	if err := checkIceberg(s); err != nil {
		return s, usagef("--catalog, --table: %w", err)
	}
	return s, nil
}

// catalogAddress is that of properties as PyIceberg has them.
func catalogAddress(properties map[string]string) string {
	address, kind := properties["uri"], properties["type"]
	switch {
	case address == "":
		return ""
	case kind == "" && strings.HasPrefix(address, "http"):
		kind = "rest"
	case kind == "":
		kind = "sql"
	}
	return kind + ":" + address
}

// homeSettings name the table that a record is of. A record lies in the output, which others may write to: secrets are sent only
// to a catalog that the flags or the environment name.
func homeSettings(h tables.IcebergIntent, flags *icebergSettings, environ []string) (icebergSettings, error) {
	s := icebergSettings{Table: h.Table, Name: h.Name, Properties: catalogVariables(environ, h.Name)}
	s.Catalog = catalogAddress(s.Properties)
	if flags != nil && (flags.Table == h.Table || flags.Table == "") {
		s.Catalog = cmp.Or(flags.Catalog, s.Catalog)
		maps.Copy(s.Properties, flags.Properties)
	}
	if s.Catalog == "" {
		if s.Catalog = h.Catalog; strings.HasPrefix(s.Catalog, "sql:postgres") {
			return s, usagef("the Iceberg table %s is in the catalog %s; name the catalog with %s%s__URI, or in drop with --catalog", h.Table, h.Catalog, catalogVariable, strings.ToUpper(h.Name))
		}
		s.Properties = map[string]string{}
	}
	for _, key := range tables.PlainProperties {
		if value := h.Properties[key]; value != "" && s.Properties[key] == "" {
			s.Properties[key] = value
		}
	}
	return s, nil
}

// lakeTable is a table that runs are registered in.
type lakeTable interface {
	Register(ctx context.Context, runs []*dataset.Run) ([]tables.Result, error)
	Close()
}

// knownTable is a table that has runs.
type knownTable interface {
	lakeTable
	Unregister(ctx context.Context, r *dataset.Run) error
}

// findHome opens a table that has runs: nil if it is not there, and a person says that this is as it should be.
func findHome(ctx context.Context, a *app, to *destination, cfg tables.Config, s icebergSettings, uuid string) (knownTable, error) {
	t, err := findIceberg(ctx, a, to, cfg, s, uuid)
	var missing *tables.Error
	if errors.As(err, &missing) && missing.Reason == tables.Missing && cfg.Assume == tables.AssumeMissing {
		return nil, nil
	}
	return t, err
}

// deltaTable is the Delta table that an output is.
type deltaTable struct{ cfg tables.Config }

func (d deltaTable) Register(ctx context.Context, runs []*dataset.Run) ([]tables.Result, error) {
	return tables.RegisterDelta(ctx, d.cfg, runs)
}

func (deltaTable) Close() {}

// openTable opens the table that runs of an output are registered in; of nil settings it is the Delta table.
func openTable(ctx context.Context, a *app, to *destination, how assuming, iceberg *icebergSettings) (lakeTable, error) {
	cfg, err := tableConfig(ctx, a, to, how)
	if err != nil || iceberg == nil {
		return deltaTable{cfg}, err
	}
	return openIceberg(ctx, a, to, cfg, *iceberg)
}

// icebergRoot is an output as Iceberg tables call it.
func icebergRoot(p place, getenv func(string) string) (string, error) {
	root := ""
	switch {
	case !p.remote():
		abs, err := filepath.Abs(p.path)
		if err != nil {
			return "", err
		}
		root = "file://" + abs
	case p.url.Scheme == "azblob":
		account := storageAccount(p.url.Query(), getenv)
		if account == "" {
			return "", usagef("the storage account is not known; set AZURE_STORAGE_ACCOUNT, or add ?storage_account=NAME to the output's URL")
		}
		root = "abfss://" + p.url.Host + "@" + account + ".dfs.core.windows.net/" + strings.Trim(p.key(), "/")
	default:
		root = p.url.Scheme + "://" + p.url.Host + "/" + strings.Trim(p.key(), "/")
	}
	_, path, _ := strings.Cut(root, "://")
	if (&url.URL{Path: path}).EscapedPath() != path {
		return "", usagef("the output's address has a character that Iceberg tables spell in several ways; use letters, digits, - _ . and = only")
	}
	return root, nil
}

// storageAccount is the account of a container, as far as its name is given.
func storageAccount(parameters url.Values, getenv func(string) string) string {
	named := ""
	for part := range strings.SplitSeq(getenv(connectionVariable), ";") {
		if key, value, _ := strings.Cut(strings.TrimSpace(part), "="); strings.EqualFold(key, "AccountName") {
			named = value
		}
	}
	return cmp.Or(parameters.Get("storage_account"), getenv("AZURE_STORAGE_ACCOUNT"), named)
}

// elsewhere opens a place outside of an output, where a catalog wants the metadata of a table.
func elsewhere(ctx context.Context, to *destination, location string) (store.Store, error) {
	other, err := beyond(to, location)
	if err != nil {
		return nil, err
	}
	return other.use(ctx, true)
}

// beyond is that place. One on a disk is made.
func beyond(to *destination, location string) (*destination, error) {
	scheme, rest, _ := strings.Cut(location, "://")
	if scheme == "abfss" || scheme == "abfs" || scheme == "wasbs" {
		container, path, _ := strings.Cut(rest, "@")
		_, path, _ = strings.Cut(path, "/")
		scheme, rest = "azblob", container+"/"+path
	}
	if to.remote() && scheme == to.url.Scheme { // with the same parameters
		bucket, key, _ := strings.Cut(rest, "/")
		u := *to.url
		u.Host = bucket
		return &destination{place: place{url: &u, open: to.open}.within(key), how: to.how}, nil
	}
	at, err := locate(scheme + "://" + rest)
	if err != nil {
		return nil, err
	}
	if !at.remote() {
		if err := os.MkdirAll(at.path, 0o777); err != nil {
			return nil, err
		}
	}
	return &destination{place: at, how: to.how}, nil
}
