package table

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"tw2parquet/sink/dataset"
)

// The records of Iceberg tables are named for a table: by its name, for people, and by the beginning of its uuid, which
// stays when the table gets another name or its catalog another address.
const (
	icebergName    = "iceberg-"
	maxIcebergName = 40 // characters of the table's name
	uuidStart      = 12 // characters of its uuid
)

var icebergPattern = regexp.MustCompile(`^(registering|registered)-iceberg-(.*)-([0-9a-f]{12})(?:-([0-9]+))?\.json$`)

// IcebergRecord is what the name of a record says.
type IcebergRecord struct {
	Name       string // of the record
	Registered bool   // or else begun
	Table      string // its name, as far as the name of a record can hold it
	UUID       string // the beginning of it
	Manifest   int    // the number
}

// IcebergRecords are those of the Iceberg table with a uuid, or of all if it is "".
func IcebergRecords(r *dataset.Run, uuid string) (found []IcebergRecord) {
	for _, name := range r.Records() {
		m := icebergPattern.FindStringSubmatch(name)
		if m == nil || uuid != "" && m[3] != shortUUID(uuid) {
			continue
		}
		k, err := strconv.Atoi(m[4])
		if err != nil && m[4] != "" {
			continue
		}
		found = append(found, IcebergRecord{Name: name, Registered: m[1] == registered, Table: m[2], UUID: m[3], Manifest: k})
	}
	return found
}

// IcebergRecordName is the name of the record that a step of a registration leaves.
func IcebergRecordName(done bool, name, uuid string, k int) string {
	plain := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_', r == '-':
			return r
		}
		return '_'
	}, strings.ToLower(name))
	step := registering
	if done {
		step = registered
	}
	return recordName(step, fmt.Sprintf("%s%s-%s", icebergName, plain[:min(len(plain), maxIcebergName)], shortUUID(uuid)), k)
}

// IcebergIntent is what those records hold.
type IcebergIntent struct {
	Catalog    string            `json:"catalog"`
	Name       string            `json:"catalog_name"`
	Properties map[string]string `json:"properties,omitempty"` // of the catalog, those of PlainProperties
	Table      string            `json:"table"`
	UUID       string            `json:"uuid"`
	Manifest   int               `json:"manifest"` // the number
	Files      int               `json:"files"`
	Snapshot   *int64            `json:"snapshot"` // of registering: the current one then, null if there was none; of registered: since when
	Time       string            `json:"time"`
}

// PlainProperties are the properties of catalogs that hold no secret, and do not say where one is sent.
var PlainProperties = []string{"warehouse", "prefix", "scope", "audience", "resource", "namespace-separator", "snapshot-loading-mode",
	"rest.sigv4-enabled", "rest.signing-region", "rest.signing-name"}

// ReadIceberg reads a record.
func ReadIceberg(ctx context.Context, r *dataset.Run, record string) (i IcebergIntent, err error) {
	text, err := r.Record(ctx, record, maxIntent)
	if err != nil {
		return i, err
	}
	if err := json.Unmarshal(text, &i); err != nil {
		return i, &Error{Reason: Damaged, Err: err, Message: fmt.Sprintf("%s of run %s cannot be read: %v", record, r.ID, err),
			Hint: "restore that record, or remove it if the table has nothing of the run"}
	}
	return i, nil
}

// icebergBegun are records of the Iceberg tables that may hold files of the run, one for each; behind are those alone that
// may still name files that others have replaced.
func icebergBegun(r *dataset.Run, behind bool) (found []IcebergRecord) {
	k, _ := r.ManifestNumber()
	all := IcebergRecords(r, "")
	for i, record := range all {
		same := func(other IcebergRecord) bool { return other.UUID == record.UUID }
		done := slices.ContainsFunc(all, func(o IcebergRecord) bool { return same(o) && o.Registered && o.Manifest == k })
		if !slices.ContainsFunc(all[:i], same) && !(behind && done) {
			found = append(found, record)
		}
	}
	return found
}

// AnyIceberg names the Iceberg tables that may hold files of the run, of whatever manifest.
func AnyIceberg(r *dataset.Run) (names []string) {
	for _, record := range icebergBegun(r, false) {
		names = append(names, record.Table)
	}
	return names
}

// IcebergHomes says where those tables are; behind as in SwapPending.
func IcebergHomes(ctx context.Context, r *dataset.Run, behind bool) (homes []IcebergIntent, err error) {
	if k, ok := r.ManifestNumber(); behind && (!ok || k == 0) {
		return nil, nil
	}
	for _, record := range icebergBegun(r, behind) {
		i, err := ReadIceberg(ctx, r, record.Name)
		if err != nil {
			return nil, err
		}
		homes = append(homes, i)
	}
	return homes, nil
}

func shortUUID(uuid string) string {
	plain := strings.ReplaceAll(uuid, "-", "")
	return plain[:min(len(plain), uuidStart)]
}

// Iceberg names the Iceberg tables that have the run as the manifest that counts lists it.
func Iceberg(r *dataset.Run) (tables []string) {
	k, ok := r.ManifestNumber()
	for _, record := range IcebergRecords(r, "") {
		if ok && record.Registered && record.Manifest == k && !slices.Contains(tables, record.Table) {
			tables = append(tables, record.Table)
		}
	}
	return tables
}
