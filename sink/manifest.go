package sink

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"tw2parquet/sink/store"
)

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
	Rejects      string `json:"rejects,omitempty"` // stem of the names of the files that hold them
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

// RejectFile is a published file of rejected results.
type RejectFile struct {
	Name   string `json:"name"`
	Bytes  int64  `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// Manifest is the file that says that a run is complete.
type Manifest struct {
	Format        int             `json:"format"`
	Run           string          `json:"run"`
	SchemaVersion string          `json:"schema_version"`
	Rows          int64           `json:"rows"`
	Rejected      int64           `json:"rejected"`
	Bytes         int64           `json:"bytes"` // of the data files
	Files         []File          `json:"files"`
	Rejects       []RejectFile    `json:"rejects,omitempty"`
	Report        json.RawMessage `json:"report"` // what the writer's caller says about the run
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
	if m.Format < 1 || m.Run == "" || len(m.Report) == 0 || m.Report[0] != '{' {
		return nil, errors.New("the manifest was not written by this program")
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
	switch {
	case o.manifest != nil:
		return slices.Clone(o.manifest.Report), nil
	case o.mend != nil && o.mend.previous != nil:
		return slices.Clone(o.mend.previous.manifest.Report), nil
	}
	return nil, nil
}

// Complete says that the run is complete: it stores the manifest, durably and as the very last file
// of the run. run is a JSON object of the caller's. Nothing may be open. Files that an earlier start
// published are read once more, for their checksums, and compared with what their footers say; all of
// them must still be there.
func (o *Output) Complete(ctx context.Context, report []byte) error {
	if err := o.usable(); err != nil {
		return err
	}
	if o.open.begun() || o.mend.holey() {
		return fmt.Errorf("complete the run: %w: there are rows after the last published file, or files missing", ErrMisuse)
	}
	var object map[string]json.RawMessage
	if err := json.Unmarshal(report, &object); err != nil {
		return fmt.Errorf("complete the run: %w: the report is not a JSON object: %w", ErrMisuse, err)
	}
	for i := range o.files {
		f := &o.files[i]
		if f.SHA256 == "" {
			sum, err := o.hashData(ctx, f)
			if err != nil {
				return err
			}
			f.SHA256 = sum
		}
	}
	for i := range o.rejects {
		r := &o.rejects[i]
		if r.SHA256 == "" {
			sum, err := o.hashFile(ctx, r.Name, r.Bytes)
			if err != nil {
				return err
			}
			r.SHA256 = sum
		}
	}
	m, k := o.newManifest(report), 0
	if o.mend != nil && o.mend.previous != nil {
		k = o.mend.previous.number + 1
	} else if o.hold.Exclusive() {
		// What was replaced goes first: afterwards it would be a file that the manifest does not know.
		o.removeStale(ctx, o.stale.takeAll())
	}
	// What was published may have been taken away while the run went on. Nobody vouches for that.
	if err := o.checkThere(ctx, m); err != nil {
		return err
	}
	m, err := o.storeManifest(ctx, m, k)
	if err != nil {
		return err
	}
	o.manifest = m
	if !o.tabled {
		o.Retire(ctx)
	}
	return nil
}

// checkThere looks for the files of a manifest that is about to be stored, by name and size.
func (o *Output) checkThere(ctx context.Context, m *Manifest) error {
	rc := o.recovery()
	parts, err := rc.parts(ctx)
	if err != nil {
		return err
	}
	if o.mend != nil {
		for i, f := range m.Files {
			parts[i] = slices.DeleteFunc(parts[i], func(p part) bool { return p.Name != f.Name })
		}
	}
	if !o.hold.Exclusive() {
		for seq, all := range parts {
			if seq >= len(m.Files) || all[0].Name != m.Files[seq].Name {
				return fmt.Errorf("%w: it published %s", ErrLocked, store.Printable(o.store.Path(all[0].Name)))
			}
		}
	}
	if _, err := rc.checkListed(m, 0, parts); err != nil {
		return err
	}
	d, err := o.listDir(ctx)
	if err == nil && d.dropped != "" {
		err = o.isDropped(d.dropped)
	}
	if err != nil {
		return err
	}
	f, err := rc.checkPublished(ctx, m, parts, d.rejects, false)
	if err == nil && len(f.damage) > 0 {
		err = &DamageError{Files: f.damage}
	}
	return err
}

// newManifest describes the run as it is.
func (o *Output) newManifest(report []byte) *Manifest {
	m := &Manifest{Format: ManifestFormat, Run: o.cfg.Run, SchemaVersion: o.cfg.SchemaVersion, Files: []File{}, Report: slices.Clone(report)}
	for _, f := range o.files {
		m.Rows += f.Rows
		m.Rejected += f.Rejected
		m.Bytes += f.Bytes
		m.Files = append(m.Files, f)
	}
	m.Rejects = slices.Clone(o.rejects)
	slices.SortFunc(m.Rejects, func(a, b RejectFile) int { return strings.Compare(a.Name, b.Name) })
	return m
}

// storeManifest makes manifest number k visible and durable, and returns it. Where another one has its name, of a
// start that is dead or of a twin, that one counts, if it lists the same files.
func (o *Output) storeManifest(ctx context.Context, m *Manifest, k int) (*Manifest, error) {
	text, err := jsonText(m, " ")
	if err != nil {
		return nil, fmt.Errorf("encode the manifest: %w", err)
	}
	err = o.journal.put(ctx, o.layout.manifest(k), text, store.Public)
	if err == nil {
		return m, nil
	}
	if !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("store the manifest: %w", err)
	}
	d, err := o.listDir(ctx)
	if err != nil {
		return nil, err
	}
	theirs, err := o.loadManifest(ctx, d)
	if err != nil {
		return nil, err
	}
	if d.number != k || !m.lists(theirs) {
		return nil, fmt.Errorf("%w: it stored %s", ErrLocked, store.Printable(o.store.Path(o.layout.manifest(k))))
	}
	return theirs, nil
}

// lists tells whether both manifests list the very same files.
func (m *Manifest) lists(other *Manifest) bool {
	return other != nil && slices.Equal(m.Rejects, other.Rejects) && slices.EqualFunc(m.Files, other.Files, func(a, b File) bool {
		return a.Name == b.Name && a.Bytes == b.Bytes && a.SHA256 == b.SHA256
	})
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
