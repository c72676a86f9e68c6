package iceberg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	lib "github.com/apache/iceberg-go"
	icebergio "github.com/apache/iceberg-go/io"
	icebergtable "github.com/apache/iceberg-go/table"

	"tw2parquet/sink/store"
	"tw2parquet/sink/table"
)

// places are where the files of a table lie: the output, and whatever the catalog names besides.
type places struct {
	cfg    Config
	mu     sync.Mutex
	opened map[string]store.Store // by the location of their root
	sizes  map[string]int64       // of data files that are to be added, by name in the output

	active map[string]string   // the data files of the current snapshot: base name to what the table calls it
	stems  map[string][]string // the same, without revisions
}

func newPlaces(cfg Config) *places {
	return &places{cfg: cfg, opened: map[string]store.Store{}, sizes: map[string]int64{}}
}

func (p *places) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, s := range p.opened {
		_ = s.Close() // what was put is durable
	}
	clear(p.opened)
}

// uri is how a table calls a file of the output.
func (p *places) uri(name string) string { return p.cfg.Root + "/" + name }

// list reads which data files the table has.
func (p *places) list(ctx context.Context, t *icebergtable.Table) error {
	p.active, p.stems = map[string]string{}, map[string][]string{}
	s := t.CurrentSnapshot()
	if s == nil {
		return nil
	}
	files := p.at(ctx)
	manifests, err := s.Manifests(files)
	if err != nil {
		return err
	}
	for _, m := range manifests {
		if m.ManifestContent() != lib.ManifestContentData {
			continue
		}
		for entry, err := range m.Entries(files, true) {
			if err != nil {
				return err
			}
			name := entry.DataFile().FilePath()
			p.active[base(name)] = name
			p.stems[table.PartStem(base(name))] = append(p.stems[table.PartStem(base(name))], name)
		}
	}
	return nil
}

// replaced are the files of the table that a file of a manifest replaces: others with its number, as the table calls them.
func (p *places) replaced(name string) (names []string) {
	for _, other := range p.stems[table.PartStem(base(name))] {
		if base(other) != base(name) {
			names = append(names, other)
		}
	}
	slices.Sort(names)
	return names
}

// of are the files of the table that belong to a run.
func (p *places) of(run string) (names []string) {
	for short, name := range p.active {
		if strings.HasPrefix(short, "part-"+run+"-") {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// normal spells a location in one way: file:///path, and the scheme that stores are opened by.
func normal(location string) string {
	scheme, rest, ok := strings.Cut(location, "://")
	switch {
	case !ok && strings.HasPrefix(location, "file:"):
		return "file://" + strings.TrimPrefix(location, "file:")
	case !ok:
		return "file://" + location
	case scheme == "s3a" || scheme == "s3n":
		return "s3://" + rest
	case scheme == "file":
		return "file:///" + strings.TrimLeft(strings.TrimPrefix(rest, "localhost"), "/")
	}
	return location
}

// place is the store of a location, and the name there.
func (p *places) place(ctx context.Context, location string) (s store.Store, name string, err error) {
	location = normal(location)
	if name, ok := strings.CutPrefix(location, normal(p.cfg.Root)+"/"); ok {
		return p.cfg.Store, name, nil
	}
	root, name := path.Split(location)
	root = strings.TrimSuffix(root, "/")
	p.mu.Lock()
	defer p.mu.Unlock()
	if s = p.opened[root]; s == nil {
		if p.cfg.Open == nil {
			return nil, "", fmt.Errorf("%s: %w", store.Printable(location), errElsewhere)
		}
		if s, err = p.cfg.Open(ctx, root); err != nil {
			return nil, "", err
		}
		p.opened[root] = s
	}
	return s, name, nil
}

var errElsewhere = errors.New("not in the output")

// at is the library's view of the files, for one operation that ctx bounds.
func (p *places) at(ctx context.Context) *view { return &view{ctx, p} }

// system is at, as the library wants it.
func (p *places) system(ctx context.Context) (icebergio.IO, error) { return p.at(ctx), nil }

// view implements io.WriteFileIO.
type view struct {
	ctx context.Context // of one operation: the library's interface has none
	*places
}

var _ icebergio.WriteFileIO = (*view)(nil)
var _ icebergio.ReadFileIO = (*view)(nil)

// Most of what is read of metadata.
const maxMetadata = 1 << 30

// ReadFile reads a file of metadata.
func (v *view) ReadFile(location string) ([]byte, error) {
	s, name, err := v.place(v.ctx, location)
	if err != nil {
		return nil, err
	}
	return store.ReadRecord(v.ctx, s, name, maxMetadata)
}

// Open opens a data file that is to be added, or a file of metadata, which is read whole.
func (v *view) Open(location string) (icebergio.File, error) {
	s, name, err := v.place(v.ctx, location)
	if err != nil {
		return nil, err
	}
	if size, ok := v.sizes[name]; ok && s == v.cfg.Store {
		return &file{name: name, size: size, readSeekerAt: io.NewSectionReader(store.Reader(v.ctx, s, name), 0, size)}, nil
	}
	data, err := store.ReadRecord(v.ctx, s, name, maxMetadata)
	if err != nil {
		return nil, &fs.PathError{Op: "open", Path: location, Err: err}
	}
	return &file{name: name, size: int64(len(data)), readSeekerAt: bytes.NewReader(data)}, nil
}

// Remove does nothing. The library removes what belongs to a commit that it thinks has failed; who knows.
func (v *view) Remove(string) error { return nil }

// WriteFile puts a file of metadata.
func (v *view) WriteFile(location string, data []byte) error {
	s, name, err := v.place(v.ctx, location)
	if err != nil {
		return err
	}
	return v.cfg.Put(v.ctx, s, name, data)
}

// Create is WriteFile for what is written bit by bit. The file is there once it is closed.
func (v *view) Create(location string) (icebergio.FileWriter, error) {
	return &writer{view: v, location: location}, nil
}

type writer struct {
	bytes.Buffer
	view     *view
	location string
	closed   bool
}

// Close puts the file. It may be called again.
func (w *writer) Close() error {
	if w.closed {
		return nil
	}
	w.closed = true
	return w.view.WriteFile(w.location, w.Bytes())
}

type readSeekerAt interface {
	io.ReadSeeker
	io.ReaderAt
}

type file struct {
	readSeekerAt
	name string
	size int64
}

func (f *file) Close() error               { return nil }
func (f *file) Stat() (fs.FileInfo, error) { return info{f}, nil }

type info struct{ f *file }

func (i info) Name() string     { return base(i.f.name) }
func (i info) Size() int64      { return i.f.size }
func (info) Mode() fs.FileMode  { return 0o444 }
func (info) ModTime() time.Time { return time.Time{} }
func (info) IsDir() bool        { return false }
func (info) Sys() any           { return nil }
