package table

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"

	"tw2parquet/sink"
	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// checkpointRow is a row as it is written.
type checkpointRow struct {
	Txn      *txnRow      `parquet:"txn,optional"`
	Add      *addRow      `parquet:"add,optional"`
	Remove   *removeRow   `parquet:"remove,optional"`
	MetaData *metaRow     `parquet:"metaData,optional"`
	Protocol *protocolRow `parquet:"protocol,optional"`
}

type (
	txnRow struct {
		AppID       string `parquet:"appId"`
		Version     int64  `parquet:"version"`
		LastUpdated *int64 `parquet:"lastUpdated,optional"`
	}
	addRow struct {
		Path             string             `parquet:"path"`
		PartitionValues  map[string]*string `parquet:"partitionValues"`
		Size             int64              `parquet:"size"`
		ModificationTime int64              `parquet:"modificationTime"`
		DataChange       bool               `parquet:"dataChange"`
		Tags             map[string]*string `parquet:"tags,optional"`
		Stats            *string            `parquet:"stats,optional"`
	}
	removeRow struct {
		Path                 string             `parquet:"path"`
		DeletionTimestamp    int64              `parquet:"deletionTimestamp"`
		DataChange           bool               `parquet:"dataChange"`
		ExtendedFileMetadata bool               `parquet:"extendedFileMetadata"`
		PartitionValues      map[string]*string `parquet:"partitionValues,optional"`
		Size                 int64              `parquet:"size"`
	}
	metaRow struct {
		ID               string             `parquet:"id"`
		Name             *string            `parquet:"name,optional"`
		Description      *string            `parquet:"description,optional"`
		Format           formatRow          `parquet:"format"`
		SchemaString     string             `parquet:"schemaString"`
		PartitionColumns []string           `parquet:"partitionColumns,list"`
		Configuration    map[string]*string `parquet:"configuration"`
		CreatedTime      *int64             `parquet:"createdTime,optional"`
	}
	formatRow struct {
		Provider string             `parquet:"provider"`
		Options  map[string]*string `parquet:"options"`
	}
	protocolRow struct {
		MinReader int32 `parquet:"minReaderVersion"`
		MinWriter int32 `parquet:"minWriterVersion"`
	}
)

// plantCheckpoint writes one of the table as it is, by another library than the one that reads it.
func plantCheckpoint(t *testing.T, s store.Store) {
	t.Helper()
	l, err := readDelta(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	rows := []checkpointRow{{Protocol: &protocolRow{int32(l.proto.MinReader), int32(l.proto.MinWriter)}}, {MetaData: &metaRow{
		ID: l.meta.ID, Name: optional(l.meta.Name), Description: optional(l.meta.Description), Format: formatRow{l.meta.Format.Provider, l.meta.Format.Options},
		SchemaString: l.meta.SchemaString, PartitionColumns: l.meta.PartitionColumns, Configuration: l.meta.Configuration, CreatedTime: l.meta.CreatedTime}}}
	for _, id := range slices.Sorted(maps.Keys(l.txns)) {
		t := l.txns[id]
		rows = append(rows, checkpointRow{Txn: &txnRow{t.AppID, t.Version, t.LastUpdated}})
	}
	for _, name := range slices.Sorted(maps.Keys(l.active)) {
		a := l.active[name]
		rows = append(rows, checkpointRow{Add: &addRow{a.Path, a.PartitionValues, a.Size, a.ModificationTime, false, a.Tags, optional(a.Stats)}})
	}
	for _, name := range slices.Sorted(maps.Keys(l.removed)) {
		r := l.removed[name]
		rows = append(rows, checkpointRow{Remove: &removeRow{r.Path, r.DeletionTimestamp, false, r.ExtendedFileMetadata, r.PartitionValues, r.Size}})
	}
	var text bytes.Buffer
	w := parquet.NewGenericWriter[checkpointRow](&text, parquet.Compression(&parquet.Snappy))
	if _, err := w.Write(rows); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if err := (sink.Records{Store: s}).PutDelta(t.Context(), fmt.Sprintf("%020d.checkpoint.parquet", l.version), text.Bytes()); err != nil {
		t.Fatal(err)
	}
}

func optional(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

// A checkpoint of another writer holds what all commits come to: with it alone the table is the same. We write none.
func TestDelta_Checkpoint(t *testing.T) {
	s := places["bucket"](t)
	defer s.Close()
	write(t, s, 1, 1)
	if _, err := register(t, s, nil); err != nil {
		t.Fatal(err)
	}
	for v := int64(1); v < 100; v++ {
		text := fmt.Sprintf(`{"txn":{"appId":"other","version":%d}}`+"\n", v)
		if err := (sink.Records{Store: s}).PutDelta(t.Context(), commitName(v), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, 2, 2)
	if _, err := register(t, s, nil); err != nil {
		t.Fatal(err)
	}
	for e, err := range s.List(t.Context(), dataset.DeltaLog+"/") {
		if err != nil || strings.HasSuffix(e.Name, ".parquet") {
			t.Fatalf("%s, %v", e.Name, err)
		}
	}
	plantCheckpoint(t, s)
	whole, err := readDelta(t.Context(), s)
	if err != nil || whole.base != 100 || whole.version != 100 {
		t.Fatalf("version %d from checkpoint %d, %v", whole.version, whole.base, err)
	}
	h, err := s.Hold(t.Context(), store.StateDir+"/x")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = h.Close() }()
	r := replay(t, s)
	for v := range int64(101) { // as engines do after a while
		if err := h.Remove(t.Context(), "_delta_log/"+commitName(v)); err != nil {
			t.Fatal(err)
		}
	}
	write(t, s, 3, 1)
	if got, err := register(t, s, nil); err != nil || got[2].Outcome != Added || got[2].Version != 101 {
		t.Fatalf("%+v, %v", got, err)
	}
	l, err := readDelta(t.Context(), s)
	if err != nil || len(l.active) != len(r.active)+2 || l.txns["other"].Version != 99 || len(l.txns) != 4 || l.meta.ID != whole.meta.ID || l.proto.MinWriter != 2 {
		t.Fatalf("%d files, %v, %v", len(l.active), l.txns, err)
	}
	for name, a := range r.active {
		got := l.active[name]
		if got.Size != int64(a["size"].(float64)) || got.Stats != a["stats"] || *got.PartitionValues["window_start"] != a["partitionValues"].(map[string]any)["window_start"] {
			t.Errorf("%s: %+v, want %v", name, got, a)
		}
	}
}
