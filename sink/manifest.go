package sink

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"slices"
	"strings"
)

const manifestName = "manifest.json"

// ManifestFormat is the version of the manifest's own layout.
const ManifestFormat = 1

// maxManifestBytes bounds what is read of a manifest: some 50,000 files.
const maxManifestBytes = 64 << 20

// File is a published data file. Its rows are the results with the ordinals FirstOrdinal up to but
// not including NextOrdinal, without those that were rejected.
type File struct {
	Name         string `json:"name"` // slash-separated, relative to the output
	Seq          int    `json:"seq"`
	Rows         int64  `json:"rows"`
	Rejected     int64  `json:"rejected"`
	Bytes        int64  `json:"bytes"`
	SHA256       string `json:"sha256"` // hex; "" for a file of an earlier start, until Complete
	FromOffset   string `json:"from_offset"`
	ToOffset     string `json:"to_offset"`
	FirstOrdinal int64  `json:"first_ordinal"`
	NextOrdinal  int64  `json:"next_ordinal"`
	// Notes are the footer's further key-values: Config.Meta, SetMeta, and the notes of the mark.
	Notes map[string]string `json:"notes,omitempty"`

	// What the footer of a file from an earlier start says of the bytes before it.
	dataBytes  int64
	dataSHA256 string
}

// Aside is a published file that is no data: rejected results.
type Aside struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Manifest is the file that says that a run is complete.
type Manifest struct {
	Format        int             `json:"format"`
	ID            string          `json:"id"` // the run
	SchemaVersion string          `json:"schema_version"`
	Rows          int64           `json:"rows"`
	Rejected      int64           `json:"rejected"`
	Bytes         int64           `json:"bytes"` // of the data files
	Files         []File          `json:"files"`
	Rejects       []Aside         `json:"rejects,omitempty"`
	Run           json.RawMessage `json:"run"` // what the writer's caller says about the run
}

// DecodeManifest reads a manifest. One that a newer version wrote is an error.
func DecodeManifest(data []byte) (*Manifest, error) {
	var m Manifest
	if err := json.Unmarshal(data, &m); err != nil {
		return nil, fmt.Errorf("the manifest cannot be read: %w", err)
	}
	if m.Format > ManifestFormat {
		return nil, fmt.Errorf("the manifest was written by a newer version (format %d, this one knows %d)", m.Format, ManifestFormat)
	}
	if m.Format < 1 || m.ID == "" || len(m.Run) == 0 || m.Run[0] != '{' {
		return nil, errors.New("the manifest is none of ours")
	}
	return &m, nil
}

// Manifest is what Complete was given, by this start or an earlier one; nil if the run never was
// complete. Open has compared the published files with the manifest by name and size; where Damage is
// not nil it still says what was complete once.
func (o *Output) Manifest() ([]byte, error) {
	if o.closed {
		return nil, fs.ErrClosed
	}
	for _, m := range []*Manifest{o.manifest, o.was} {
		if m != nil {
			return slices.Clone(m.Run), nil
		}
	}
	return nil, nil
}

// Complete says that the run is complete: it stores the manifest, durably and as the very last file
// of the run. run is a JSON object of the caller's. Nothing may be open. Files that an earlier start
// published are read once more, for their checksums, and compared with what their footers say; all of
// them must still be there.
func (o *Output) Complete(ctx context.Context, run []byte) error {
	if err := o.usable(); err != nil {
		return err
	}
	if o.open.any() || len(o.holes) > 0 {
		return fmt.Errorf("complete the run: %w: there are rows after the last published file, or files missing", ErrMisuse)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(run, &object); err != nil {
		return fmt.Errorf("complete the run: %w: the report is no JSON object: %w", ErrMisuse, err)
	}
	m := &Manifest{Format: ManifestFormat, ID: o.cfg.Run, SchemaVersion: o.cfg.SchemaVersion, Files: []File{}, Run: slices.Clone(run)}
	for i := range o.files {
		f := &o.files[i]
		if f.SHA256 == "" {
			sum, err := o.hashData(ctx, f)
			if err != nil {
				return err
			}
			f.SHA256 = sum
		}
		m.Rows += f.Rows
		m.Rejected += f.Rejected
		m.Bytes += f.Bytes
		m.Files = append(m.Files, *f)
	}
	for i := range o.asides {
		a := &o.asides[i]
		if a.SHA256 == "" {
			h := sha256.New()
			if err := o.hashRange(ctx, a.Name, h, 0, a.Bytes); err != nil {
				return err
			}
			a.SHA256 = hex.EncodeToString(h.Sum(nil))
		}
	}
	m.Rejects = o.asides
	// What was published may have been taken away while the run went on. Nobody vouches for that.
	if _, err := o.checkComplete(ctx, m, false); err != nil {
		return err
	}
	if err := o.Damage(); err != nil {
		return err
	}
	if err := o.storeManifest(ctx, m); err != nil {
		return err
	}
	o.manifest = m
	o.forgetDamaged()
	return nil
}

// storeManifest makes the manifest visible and durable, or replaces it where files were written again.
func (o *Output) storeManifest(ctx context.Context, m *Manifest) error {
	slices.SortFunc(m.Rejects, func(a, b Aside) int { return strings.Compare(a.Name, b.Name) })
	text, err := jsonText(m, " ")
	if err != nil {
		return fmt.Errorf("encode the manifest: %w", err)
	}
	put := o.put
	if o.was != nil {
		put = o.replace
	}
	if err := put(ctx, o.layout.manifest(), text, dataMode); err != nil {
		return fmt.Errorf("store the manifest: %w", err)
	}
	return nil
}

// jsonText is how records are written, with a newline at the end. People read them too: <, > and & stay as
// they are.
func jsonText(v any, indent string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", indent)
	err := e.Encode(v)
	return b.Bytes(), err
}

// hashData is the checksum of a whole file that this process did not write.
func (o *Output) hashData(ctx context.Context, f *File) (string, error) {
	h := sha256.New()
	if err := o.hashRange(ctx, f.Name, h, 0, f.dataBytes); err != nil {
		return "", err
	}
	if hex.EncodeToString(h.Sum(nil)) != f.dataSHA256 {
		return "", o.damaged(f.Name, "damaged: its bytes are not those that were written")
	}
	if err := o.hashRange(ctx, f.Name, h, f.dataBytes, f.Bytes); err != nil {
		return "", err
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func (o *Output) hashRange(ctx context.Context, name string, h hash.Hash, from, to int64) error {
	buf := make([]byte, min(1<<20, max(0, to-from)))
	for from < to {
		p := buf[:min(int64(len(buf)), to-from)]
		if err := o.store.ReadRange(ctx, name, p, from); err != nil {
			return o.readError(name, err)
		}
		h.Write(p)
		from += int64(len(p))
	}
	return nil
}

// loadManifest reads the manifest, if there is one.
func (o *Output) loadManifest(ctx context.Context) (*Manifest, error) {
	data, err := o.read(ctx, o.layout.manifest(), maxManifestBytes)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	m, err := DecodeManifest(data)
	if err != nil {
		return nil, o.foreign(o.layout.manifest(), err.Error())
	}
	if m.ID != o.cfg.Run {
		return nil, o.foreign(o.layout.manifest(), "the manifest of another run")
	}
	if err := o.checkVersion(o.layout.manifest(), m.SchemaVersion); err != nil {
		return nil, err
	}
	return m, nil
}

// readError turns a file that ends early or is gone into what it means for the run.
func (o *Output) readError(name string, err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return o.foreign(name, "it became shorter while it was read")
	case errors.Is(err, fs.ErrNotExist):
		return o.missing(name)
	}
	return err
}
