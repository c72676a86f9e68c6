package table

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/google/uuid"

	"tw2parquet/sink/dataset"
	"tw2parquet/sink/store"
)

// deltaName stands for the table in the names of records: an output can be one Delta table.
const deltaName = "delta"

// dropped is the version of a run as an application once its files were taken out for good.
const dropped = int64(1) << 40

// attempts is how often a number is tried for that others take first.
const attempts = 100

// intent is what registering-….json and registered-….json hold.
type intent struct {
	Table    string `json:"table"`    // its id; "" if there was none
	Manifest int    `json:"manifest"` // the number
	Files    int    `json:"files"`
	Version  *int64 `json:"version,omitempty"` // of the table, since when it has the run; of registered only
	Time     string `json:"time"`
}

// maxIntent bounds what is read of one.
const maxIntent = 1 << 16

// candidate is a run on its way into the table.
type candidate struct {
	*dataset.Run
	k       int
	files   []dataFile
	rows    int64
	before  *intent // the record of an earlier start that got no further, or nil
	earlier bool    // an earlier manifest of the run was registered
	result  Result
	pending bool // it is in the commit that is tried
}

// dataFile is a file of a manifest.
type dataFile struct {
	name  string
	bytes int64
	rows  int64
}

// RegisterDelta makes runs known to the Delta table that the output is, which is made if it is not there. Runs that are not
// complete are left out. Several runs become one commit.
func RegisterDelta(ctx context.Context, cfg Config, runs []*dataset.Run) ([]Result, error) {
	cfg.fill()
	var all []*candidate
	for _, r := range runs {
		c, err := newCandidate(ctx, r)
		if err != nil {
			return nil, err
		}
		if c != nil {
			all = append(all, c)
		}
	}
	d := &delta{Config: cfg}
	err := d.register(ctx, all)
	var results []Result
	for _, c := range all {
		if c.result.Outcome != "" {
			results = append(results, c.result)
		}
	}
	return results, err
}

// newCandidate is nil for a run that is not complete, or is being dropped.
func newCandidate(ctx context.Context, r *dataset.Run) (*candidate, error) {
	begun, ended := r.Dropped()
	k, complete := r.ManifestNumber()
	if begun || ended || !complete {
		return nil, nil
	}
	c := &candidate{Run: r, k: k, result: Result{Run: r.ID, Version: -1}}
	if has, _ := Delta(r); has {
		c.result.Outcome = Known
		return c, nil
	}
	m, err := r.Manifest(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range m.Files {
		c.files = append(c.files, dataFile{f.Name, f.Bytes, f.Rows})
	}
	c.rows = m.Rows
	for before := range k {
		c.earlier = c.earlier || r.Has(recordName(registered, deltaName, before))
	}
	c.result.Files, c.result.Rows = len(c.files), c.rows
	text, err := r.Record(ctx, recordName(registering, deltaName, k), maxIntent)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, err
	default:
		c.before = &intent{}
		if err := json.Unmarshal(text, c.before); err != nil {
			return nil, &Error{Reason: Damaged, Err: err, Message: fmt.Sprintf("%s of run %s cannot be read: %v", recordName(registering, deltaName, k), r.ID, err),
				Hint: "restore that record, or remove it if the table has nothing of the run"}
		}
	}
	return c, nil
}

// delta is one registration.
type delta struct {
	Config
	log *deltaLog
}

func (d *delta) register(ctx context.Context, all []*candidate) error {
	todo := slices.DeleteFunc(slices.Clone(all), func(c *candidate) bool { return c.result.Outcome != "" })
	if len(todo) == 0 {
		return nil
	}
	var err error
	if d.log, err = readDelta(ctx, d.Store); err != nil {
		return err
	}
	// Whoever cannot finish has begun nothing.
	if _, _, err := d.metadata(); err != nil {
		return err
	}
	for _, c := range todo {
		if c.before == nil {
			if err := d.put(ctx, c, registering, nil); err != nil {
				return err
			}
		}
	}
	for range attempts {
		var doubt error
		pending := false
		for _, c := range todo {
			if c.result.Outcome == "" {
				c.pending, err = d.look(c)
				doubt = errors.Join(doubt, err)
			}
			pending = pending || c.pending
		}
		if doubt != nil {
			return firstOf(doubt)
		}
		if !pending {
			return d.finish(ctx, todo)
		}
		err := d.commit(ctx, todo)
		switch {
		case err == nil:
			return d.finish(ctx, todo)
		case !errors.Is(err, fs.ErrExist):
			return err
		}
		d.Log.Debug("another writer took the number of the commit", "version", d.log.version+1)
		before := d.log.version
		if err := d.log.update(ctx); err != nil {
			return err
		}
		if d.log.version == before {
			return d.log.damaged(commitName(before+1), errors.New("it is taken, and cannot be found"))
		}
	}
	return d.contended()
}

// firstOf is an error of several that tells the others by number only.
func firstOf(err error) error {
	var e *Error
	errors.As(err, &e)
	if n := strings.Count(err.Error(), "\n"); n > 0 {
		first := *e
		first.Message += fmt.Sprintf("; and the same of %d more runs", n)
		return &first
	}
	return e
}

// look finds out whether the table lacks the run.
func (d *delta) look(c *candidate) (lacks bool, err error) {
	if txn, ok := d.log.txns[c.ID]; ok && txn.Version >= int64(c.k) {
		c.result.Outcome, c.result.Version = Found, -1
		return false, nil
	} else if ok && c.k > 0 {
		return d.lookAgain(c)
	}
	doubt := ""
	switch {
	case c.before == nil && c.earlier:
		doubt = "the table does not know that it was registered before its files were written again"
	case c.before == nil:
	case d.log.version < 0 && c.before.Table != "", d.log.version >= 0 && c.before.Table != "" && c.before.Table != d.log.meta.ID:
		doubt = "the table is not the one that it was begun with"
	case d.log.forgets():
		doubt = "the table forgets what it was told (delta.setTransactionRetentionDuration)"
	}
	switch {
	case doubt == "" || d.Assume == AssumeMissing:
		return true, nil
	case d.Assume == AssumeRegistered:
		c.result.Outcome = Found
		return false, nil
	}
	return false, &Error{Reason: Doubt, Message: fmt.Sprintf("nobody can tell whether the rows of run %s are in the Delta table: %s", c.ID, doubt),
		Hint: "look into the table, then run again with --assume registered, or with --assume missing"}
}

// lookAgain is for files that were written again: the table has the run as an earlier manifest lists it.
func (d *delta) lookAgain(c *candidate) (lacks bool, err error) {
	for _, f := range c.files {
		if len(d.replaced(f.name)) > 0 {
			continue
		}
		if _, ok := d.log.active[f.name]; ok {
			continue
		}
		switch d.Assume {
		case AssumeRegistered:
			c.result.Outcome = Found
			return false, nil
		case AssumeMissing:
			continue
		}
		return false, &Error{Reason: Rewritten, Message: fmt.Sprintf("another writer of the Delta table has put the rows of run %s into files of its own, so %s cannot replace what was there", c.ID, f.name),
			Hint: "run again with --assume registered if the rows in the table are good; else delete them there first (window_start and _ordinal tell them), then use --assume missing"}
	}
	return true, nil
}

// replaced are the files of the table that a file of a manifest replaces: others with its number.
func (d *delta) replaced(name string) (names []string) {
	stem := PartStem(name)
	for other := range d.log.active {
		if other != name && PartStem(other) == stem {
			names = append(names, other)
		}
	}
	slices.Sort(names)
	return names
}

// PartStem is the name of a data file without its revision: files of one stem replace each other.
func PartStem(name string) string {
	stem := strings.TrimSuffix(name, ".parquet")
	if i := strings.LastIndex(stem, "-r"); i > strings.LastIndex(stem, "/") && strings.Trim(stem[i+2:], "0123456789") == "" {
		stem = stem[:i]
	}
	return stem
}

// metadata is what has to be said of the table: nil for what it says already.
func (d *delta) metadata() (*deltaProtocol, *deltaMeta, error) {
	ours := deltaSchema()
	if d.log.version < 0 {
		text, err := jsonText(ours)
		now := d.Now().UnixMilli()
		return &deltaProtocol{MinReader: 1, MinWriter: 2}, &deltaMeta{ID: uuid.NewString(), Format: deltaFormat{"parquet", pairs{}}, SchemaString: strings.TrimSpace(string(text)),
			PartitionColumns: []string{partitionColumn}, Configuration: pairs{}, CreatedTime: &now}, err
	}
	if err := d.log.check(); err != nil {
		return nil, nil, err
	}
	var theirs deltaType
	if err := json.Unmarshal([]byte(d.log.meta.SchemaString), &theirs); err != nil {
		return nil, nil, d.log.damaged(commitName(d.log.version), fmt.Errorf("the schema: %w", err))
	}
	merged, grown, err := mergeDelta(theirs, ours, "")
	if err != nil || !grown {
		return nil, nil, err
	}
	text, err := jsonText(merged)
	meta := d.log.meta
	meta.SchemaString = strings.TrimSpace(string(text))
	return nil, &meta, err
}

// commit tries to add the pending runs: errors.Is(err, fs.ErrExist) if another writer was faster.
func (d *delta) commit(ctx context.Context, todo []*candidate) error {
	proto, meta, err := d.metadata()
	if err != nil {
		return err
	}
	now := d.Now().UnixMilli()
	t := &transaction{operation: "WRITE"}
	if proto != nil {
		t.add("protocol", proto)
	}
	if meta != nil {
		t.add("metaData", meta)
	}
	for _, c := range todo {
		if !c.pending {
			continue
		}
		t.runs = append(t.runs, c.ID)
		t.add("txn", deltaTxn{c.ID, int64(c.k), &now})
		for _, f := range c.files {
			old := d.replaced(f.name)
			if len(old) > 0 && d.log.appendOnly() {
				return d.log.takesNothingOut()
			}
			for _, name := range old {
				t.add("remove", removal(d.log.active[name], now))
			}
			if _, there := d.log.active[f.name]; there {
				continue
			}
			stats, err := d.stats(ctx, f)
			if err != nil {
				return err
			}
			t.add("add", deltaAdd{Path: encodePath(f.name), PartitionValues: partitionOf(f.name), Size: f.bytes, ModificationTime: now, DataChange: true, Stats: stats})
		}
	}
	if err := d.write(ctx, t); err != nil {
		return err
	}
	for _, c := range todo {
		if c.pending {
			c.pending, c.result.Version, c.result.Outcome = false, d.log.version, Added
			if c.k > 0 && c.earlier {
				c.result.Outcome = Swapped
			}
		}
	}
	return nil
}

// transaction is a commit that is put together.
type transaction struct {
	operation string
	runs      []string
	actions   []any
}

func (t *transaction) add(name string, what any) {
	t.actions = append(t.actions, map[string]any{name: what})
}

// write puts the next commit. Its name is free, or another writer was faster: then errors.Is(err, fs.ErrExist). After any other
// error it may be there: whoever comes next looks.
func (d *delta) write(ctx context.Context, t *transaction) error {
	info := map[string]any{
		"timestamp": d.Now().UnixMilli(), "operation": t.operation, "operationParameters": map[string]string{"mode": "Append"},
		"isBlindAppend": false, "engineInfo": d.Writer, "tw2parquetRuns": strings.Join(t.runs, ","),
		"txnId": uuid.NewString(), // so that no two commits are the same bytes
	}
	var text bytes.Buffer
	for _, a := range append([]any{map[string]any{"commitInfo": info}}, t.actions...) {
		line, err := jsonText(a)
		if err != nil {
			return err
		}
		text.Write(line)
	}
	if err := d.Records.PutDelta(ctx, commitName(d.log.version+1), text.Bytes()); err != nil {
		return err
	}
	d.log.version++
	return d.log.take(text.Bytes())
}

// finish writes down which runs the table has.
func (d *delta) finish(ctx context.Context, todo []*candidate) error {
	for _, c := range todo {
		var version *int64
		if v := c.result.Version; v >= 0 {
			version = &v
		}
		if err := d.put(ctx, c, registered, version); err != nil {
			return err
		}
	}
	return nil
}

// put puts a record beside the manifest. Another registrar's is as good.
func (d *delta) put(ctx context.Context, c *candidate, step string, version *int64) error {
	text, err := jsonText(intent{Table: d.log.meta.ID, Manifest: c.k, Files: len(c.files), Version: version, Time: d.Now().UTC().Format(time.RFC3339)})
	if err != nil {
		return err
	}
	if err := d.Records.PutRun(ctx, c.ID, recordName(step, deltaName, c.k), text); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("write down that run %s is %s: %w", c.ID, step, err)
	}
	return nil
}

// DeltaFiles compares the Delta table with the output. missing are files of runs that the table has and the output does not, by
// name: whoever reads the table fails at them. theirs are files that the table knows and that other writers wrote. Without a table
// it takes one request.
func DeltaFiles(ctx context.Context, s store.Store) (missing []string, theirs map[string]bool, err error) {
	l, err := readDelta(ctx, s)
	if err != nil || l.version < 0 {
		return nil, nil, err
	}
	there, err := dataset.Open(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	found, theirs := map[string]bool{}, map[string]bool{}
	for _, e := range there.Files() {
		found[e.Name] = true
	}
	for name := range l.active {
		switch ours := there.Run(runOf(name)) != nil; {
		case !ours:
			theirs[name] = true
		case !found[name]:
			missing = append(missing, name)
		}
	}
	for name := range l.removed { // until somebody cleans up
		if there.Run(runOf(name)) == nil {
			theirs[name] = true
		}
	}
	slices.Sort(missing)
	return missing, theirs, nil
}

// runOf is the run of a data file, if it is one of ours.
func runOf(name string) string {
	base, ok := strings.CutPrefix(path.Base(name), "part-")
	run, _, _ := strings.Cut(base, "-")
	if !ok || strings.Contains(name, "://") || path.IsAbs(name) {
		return ""
	}
	return run
}

func (d *delta) contended() error {
	return &Error{Reason: Contended, Message: fmt.Sprintf("other writers of the Delta table were faster %d times", attempts), Hint: "run again when they are done"}
}

func (l *deltaLog) takesNothingOut() error {
	return &Error{Reason: Feature, Message: "files have to be taken out of the Delta table, which takes none out (delta.appendOnly)", Hint: "set delta.appendOnly to false for the table, and run again"}
}

func removal(a deltaAdd, now int64) deltaRemove {
	return deltaRemove{Path: a.Path, DeletionTimestamp: now, DataChange: true, ExtendedFileMetadata: true, PartitionValues: a.PartitionValues, Size: a.Size}
}

// encodePath is a name as a Delta log has it. Our names have nothing that is encoded; a slash stays.
func encodePath(name string) string { return (&url.URL{Path: name}).EscapedPath() }

// partitionOf is the value that the folder of a file stands for: null outside of any window.
func partitionOf(name string) pairs {
	if value, ok := strings.CutPrefix(path.Dir(name), partitionColumn+"="); ok {
		return pairs{partitionColumn: &value}
	}
	return pairs{partitionColumn: nil}
}

// jsonText is a line of JSON. People read it, too: <, > and & stay as they are.
func jsonText(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(v)
	return b.Bytes(), err
}
