package tables

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// served is a store that runs: S3, Google's or Azure's.
type served struct {
	Bucket, Endpoint, URL string
	Env                   []string
}

// storage starts a store, and lets the program and clients know its credentials.
func storage(t *testing.T, kind string) (ready served) {
	t.Helper()
	server := exec.Command("go", "-C", "../lakes", "run", "./serve", "-store", kind)
	server.Env = append(os.Environ(), "CGO_ENABLED=0")
	server.Stderr = os.Stderr
	stdin, err := server.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := server.StdoutPipe()
	if err == nil {
		err = server.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = stdin.Close()
		_, _ = io.Copy(io.Discard, stdout)
		_ = server.Wait()
	})
	line, err := bufio.NewReader(stdout).ReadBytes('\n')
	if err == nil {
		err = json.Unmarshal(line, &ready)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range ready.Env {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	return ready
}

// bucket starts an S3 server and lets the program, engines and their clients know it.
func bucket(t *testing.T) (name, endpoint string) {
	t.Helper()
	ready := storage(t, "s3")
	t.Setenv("PYICEBERG_CATALOG__DEFAULT__S3__ACCESS_KEY_ID", os.Getenv("AWS_ACCESS_KEY_ID"))
	t.Setenv("PYICEBERG_CATALOG__DEFAULT__S3__SECRET_ACCESS_KEY", os.Getenv("AWS_SECRET_ACCESS_KEY"))
	t.Setenv("PYICEBERG_CATALOG__DEFAULT__S3__REGION", os.Getenv("AWS_REGION"))
	through(t, ready.Endpoint)
	return ready.Bucket, ready.Endpoint
}

// through lets clients ask another address.
func through(t *testing.T, endpoint string) {
	t.Helper()
	t.Setenv("AWS_ENDPOINT_URL", endpoint)
	t.Setenv("PYICEBERG_CATALOG__DEFAULT__S3__ENDPOINT", endpoint)
}

// remote is an output in a bucket, and the same on a disk.
type remote struct {
	url, disk string
	endpoint  string
	warehouse string
}

// TestS3 reads files and tables in a bucket of an S3 server: every value is that of the same export on a disk, which
// TestFiles_HoldTheDocuments compares with what was sent.
func TestS3(t *testing.T) {
	if testing.Short() {
		t.Skip("left to the full run; here: files and tables on a disk")
	}
	name, endpoint := bucket(t)
	a, disk := lake(t)
	r := remote{url: "s3://" + name + "/lake", warehouse: "s3://" + name + "/warehouse", disk: disk, endpoint: endpoint}
	if rows := a.export(t, r.url, nil, "--project", a.Projects[0], "--start", "2024-01-01", "--stop", "2024-04-01", "--split", "month", "--row-group-size", "1MiB", "--file-rows", "600"); rows != documents {
		t.Fatalf("%d rows", rows)
	}
	tool(t, "register", r.url, "--format", "delta")
	catalog := filepath.Join(t.TempDir(), "catalog.db")
	register := []string{"register", r.url, "--format=iceberg", "--catalog=sql:sqlite:///" + catalog, "--catalog-property=warehouse=" + r.warehouse, "--table=docs.talkwalker", "--output=json"}
	if said := tool(t, register...); outcome(said, "added") != 3 {
		t.Fatal(said)
	}
	t.Run("Files", r.files)
	t.Run("Iceberg", func(t *testing.T) { r.iceberg(t, catalog, register) })
	t.Run("Skipped", func(t *testing.T) { r.skipped(t, catalog) })
	t.Run("Spark", func(t *testing.T) { r.spark(t, catalog) })
	t.Run("Pasted", func(t *testing.T) { r.pasted(t, catalog, "pyarrow", "polars", "delta-rs", "PyIceberg", "Spark: files") })
	t.Run("Rewritten", func(t *testing.T) { r.rewritten(t, catalog, register) })
	t.Run("REST", r.rest)
}

// files reads files and the Delta table.
func (r remote) files(t *testing.T) {
	want := read[found](t, "files", r.disk)
	some := map[string][]string{ // what these two read right: see everyEngine and fastparquet
		"clickhouse":  {"content", "published"},
		"fastparquet": {"content", "title", "reach"},
	}
	engines := read[map[string]found](t, "buckets", r.url)
	for engine, got := range engines {
		if some[engine] == nil {
			same(t, engine, got, want)
			continue
		}
		for _, name := range some[engine] {
			if got.Rows != documents || got.Columns[name] != want.Columns[name] {
				t.Errorf("%s: %d rows, column %s differs", engine, got.Rows, name)
			}
		}
	}
	if len(engines) != 8 {
		t.Errorf("%d engines", len(engines))
	}
}

// iceberg reads a table whose metadata lie in a warehouse beside the output. Whoever has the address of the server from the
// output's URL finds the warehouse, too, and adds nothing twice.
func (r remote) iceberg(t *testing.T, catalog string, register []string) {
	want, blind := ask[inIceberg](t, "files", r.disk), ask[inIceberg](t, "files-blind", r.disk)
	py := ask[inIceberg](t, "pyiceberg", catalog)
	same(t, "PyIceberg", py.found, blind.found)
	if py.Files != 6 || py.Snapshots != 1 {
		t.Errorf("PyIceberg finds %d files in %d snapshots", py.Files, py.Snapshots)
	}
	same(t, "DuckDB", script[found](t, "s3.py", "duckdb", r.url, catalog, t.TempDir()), want.found)
	through(t, "")
	again := slices.Clone(register)
	again[1] = r.url + "?endpoint=" + r.endpoint
	if said := tool(t, again...); outcome(said, "known") != 3 {
		t.Error(said)
	}
	through(t, r.endpoint)
	if py := ask[inIceberg](t, "pyiceberg", catalog); py.Files != 6 || py.Snapshots != 1 {
		t.Errorf("PyIceberg finds %d files in %d snapshots", py.Files, py.Snapshots)
	}
}

// spark reads files and tables by Hadoop's S3A.
func (r remote) spark(t *testing.T, catalog string) {
	got := script[map[string]found](t, "s3.py", "spark", r.url, catalog, t.TempDir())
	files := read[found](t, "files", r.disk)
	same(t, "Spark, files", got["files"], files)
	same(t, "Spark, Delta", got["delta"], files)
	same(t, "Spark, Iceberg", got["iceberg"], ask[found](t, "files", r.disk))
}

// rewritten lets PyIceberg rewrite the table in the bucket. Then nothing is added again.
func (r remote) rewritten(t *testing.T, catalog string, register []string) {
	blind := ask[inIceberg](t, "files-blind", r.disk)
	// By s3fs: pyarrow's own writer gets "400 An error occurred when parsing the HTTP request" from versitygw now and then. It sends
	// aws-chunked in HTTP chunks, and the last of these, "0\r\n\r\n", in a packet of its own. versitygw 1.8.0 answers when it has read the
	// end of what is inside, and takes those five bytes, where they come later, for the next request on the connection.
	t.Setenv("PYICEBERG_CATALOG__DEFAULT__PY_IO_IMPL", "pyiceberg.io.fsspec.FsspecFileIO")
	rewritten := ask[inIceberg](t, "rewritten", catalog)
	same(t, "rewritten", rewritten.found, blind.found)
	if said := tool(t, register...); outcome(said, "known") != 3 {
		t.Error(said)
	}
	again := ask[inIceberg](t, "pyiceberg", catalog)
	same(t, "after all", again.found, blind.found)
	if again.Snapshots != rewritten.Snapshots {
		t.Errorf("%d snapshots, before %d", again.Snapshots, rewritten.Snapshots)
	}
	tool(t, "verify", r.url)
}

// rest registers the output in a REST catalog that keeps its metadata in the bucket, too.
func (r remote) rest(t *testing.T) {
	catalog := restServer(t, "CATALOG_WAREHOUSE="+r.warehouse+"/rest", "CATALOG_IO__IMPL=org.apache.iceberg.aws.s3.S3FileIO", "CATALOG_S3_ENDPOINT="+r.endpoint,
		"CATALOG_S3_PATH__STYLE__ACCESS=true", "CATALOG_CLIENT_REGION="+os.Getenv("AWS_REGION"))
	want, blind := ask[inIceberg](t, "files", r.disk), ask[inIceberg](t, "files-blind", r.disk)
	args := []string{"register", r.url, "--format=iceberg", "--catalog=rest:" + catalog, "--table=docs.talkwalker", "--output=json"}
	if said := tool(t, args...); outcome(said, "added") != 3 {
		t.Fatal(said)
	}
	same(t, "PyIceberg", ask[inIceberg](t, "pyiceberg", catalog).found, blind.found)
	same(t, "DuckDB", script[found](t, "s3.py", "duckdb-rest", r.url, catalog, t.TempDir()), want.found)
	r.pasted(t, catalog, "Spark: the Iceberg table")
	spark := script[map[string]inIceberg](t, "s3.py", "spark-rest", r.url, catalog, t.TempDir())
	for _, step := range []string{"read", "rewritten"} {
		same(t, "Spark, "+step, spark[step].found, want.found)
	}
	if n := spark["rewritten"].Snapshots; n != 1 {
		t.Errorf("Spark left %d snapshots", n)
	}
	if said := tool(t, args...); outcome(said, "known") != 3 {
		t.Error(said)
	}
	same(t, "after all", ask[inIceberg](t, "pyiceberg", catalog).found, blind.found)
}

// section is what the manual says of buckets.
func section(t *testing.T) string {
	t.Helper()
	_, text, ok := strings.Cut(manual(t), "## In a bucket\n")
	text, _, _ = strings.Cut(text, "\n## ")
	if !ok {
		t.Fatal("the manual has no section of buckets")
	}
	return text
}

// pasted runs pieces of the manual, which begin with these words, with our names for bucket and catalog. What is special about
// our server and where Spark's packages lie is in the environment.
func (r remote) pasted(t *testing.T, catalog string, names ...string) {
	conf := t.TempDir()
	script[string](t, "s3.py", "defaults", r.url, catalog, conf)
	t.Setenv("SPARK_CONF_DIR", conf)
	t.Setenv("AWS_ALLOW_HTTP", "true")
	runPieces(t, strings.NewReplacer("//bucket/", "//"+strings.Split(r.url, "/")[2]+"/", "/srv/catalog.db", catalog, "https://catalog.example/api", catalog), names...)
}

// runPieces runs them with our names for things, and looks at the numbers of rows that they print.
func runPieces(t *testing.T, ours *strings.Replacer, names ...string) {
	t.Helper()
	python, err := filepath.Abs(filepath.Join(".venv", "bin", "python"))
	if err != nil {
		t.Fatal(err)
	}
	pieces := strings.Split(section(t), "```python\n# ")
	for _, name := range names {
		at := slices.IndexFunc(pieces, func(piece string) bool { return strings.HasPrefix(piece, name) })
		if at < 0 {
			t.Fatalf("the manual has no piece %q", name)
		}
		code, _, _ := strings.Cut(pieces[at], "```")
		cmd := exec.Command(python, "-c", ours.Replace("# "+code))
		cmd.Dir = t.TempDir()
		var stderr strings.Builder
		cmd.Stderr = &stderr
		said, err := cmd.Output()
		if err != nil || strings.TrimSpace(strings.ReplaceAll(string(said), "5005\n", "")) != "" || strings.Count(string(said), "5005\n") != strings.Count(code, "print(") {
			t.Errorf("%s: %v, %q\n%s", name, err, said, tail(stderr.String()))
		}
	}
}

// TestHelp_Bucket holds the versions in that section against what the tests run.
func TestHelp_Bucket(t *testing.T) {
	installed := read[map[string]string](t, "versions", "")
	packages := map[string]string{"DuckDB, extension httpfs": "duckdb-extension-httpfs", "DuckDB, extension delta": "duckdb-extension-delta", "DuckDB, extension iceberg": "duckdb-extension-iceberg",
		"delta-rs": "deltalake", "PyIceberg": "pyiceberg", "pyarrow": "pyarrow", "polars": "polars", "ClickHouse (chdb)": "chdb", "pandas": "pandas", "fastparquet": "fastparquet", "Spark, hadoop-aws 3.4.1": "pyspark", "Spark, iceberg-aws-bundle 1.10.0": "pyspark"}
	text := section(t)
	for line := range strings.Lines(text) {
		cells := strings.Split(line, " | ")
		if len(cells) < 4 || strings.HasPrefix(line, "| engine") || strings.HasPrefix(line, "| ---") {
			continue
		}
		engine := strings.TrimPrefix(cells[0], "| ")
		if version := installed[packages[engine]]; version == "" || cells[1] != version {
			t.Errorf("%s is %q in the manual, installed is %q", engine, cells[1], version)
		}
		delete(packages, engine)
	}
	if len(packages) > 0 {
		t.Errorf("the manual does not name %v", packages)
	}
	pinned := ""
	for _, file := range []string{"s3/pom.xml", "rest/pom.xml", "../lakes/go.mod"} {
		data, err := os.ReadFile(filepath.FromSlash(file))
		if err != nil {
			t.Fatal(err)
		}
		pinned += string(data)
	}
	coordinates := regexp.MustCompile(`([a-z0-9.]+):([a-z0-9._-]+):([0-9.]+[0-9])`).FindAllStringSubmatch(text, -1)
	for _, c := range coordinates {
		if !strings.Contains(pinned, fmt.Sprintf("<groupId>%s</groupId><artifactId>%s</artifactId><version>%s</version>", c[1], c[2], c[3])) {
			t.Errorf("the tests do not run %s", c[0])
		}
	}
	if !strings.Contains(text, "versitygw 1.8.0") || !strings.Contains(pinned, "versitygw v1.8.0") || len(coordinates) != 6 {
		t.Errorf("another versitygw, or %d packages", len(coordinates))
	}
}

// asked is what an engine asked the server for of data files.
type asked struct {
	requests int
	whole    int // files in one piece
	bytes    int64
	files    []string
}

// counter stands before the server, and counts.
type counter struct {
	*httptest.Server
	mu  sync.Mutex
	now asked
}

func count(t *testing.T, endpoint string) *counter {
	t.Helper()
	target, err := url.Parse(endpoint)
	if err != nil {
		t.Fatal(err)
	}
	c := &counter{}
	forward := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			r.Out.Host = r.In.Host // it is part of what was signed
		},
		// That is before the client gets a byte of the answer: nothing is counted after an engine has ended.
		ModifyResponse: func(answer *http.Response) error { c.add(answer); return nil },
	}
	c.Server = httptest.NewServer(forward)
	t.Cleanup(c.Close)
	return c
}

func (c *counter) add(answer *http.Response) {
	r := answer.Request
	if r.Method != http.MethodGet || !strings.HasSuffix(r.URL.Path, ".parquet") {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now.requests++
	c.now.bytes += answer.ContentLength
	if answer.StatusCode != http.StatusPartialContent {
		c.now.whole++
	}
	if !slices.Contains(c.now.files, r.URL.Path) {
		c.now.files = append(c.now.files, r.URL.Path)
	}
}

// since is what was asked for since the last call.
func (c *counter) since() asked {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.now
	c.now = asked{}
	return now
}

// skipping says how many files of six an engine opens at most for a query, and how many bytes, in percent of what it asks for
// when it reads all columns of all rows.
var skipping = []struct {
	engine, query string
	files         int
	percent       int64
}{
	// All three look at a file for the columns; polars at the footers of all, by half a mebibyte each.
	{"duckdb", "window", 3, 45}, {"duckdb", "ordinal", 6, 60}, {"duckdb", "column", 6, 15},
	{"pyarrow", "window", 3, 45}, {"pyarrow", "ordinal", 6, 60}, {"pyarrow", "column", 6, 15},
	{"polars", "window", 6, 55}, {"polars", "ordinal", 6, 75}, {"polars", "column", 6, 45},
	// The log of a table has partitions and statistics: other files are not opened.
	{"duckdb-delta", "window", 2, 45}, {"duckdb-delta", "ordinal", 3, 60}, {"duckdb-delta", "column", 6, 15},
	{"delta-rs", "window", 2, 45}, {"delta-rs", "ordinal", 3, 60}, {"delta-rs", "indexed", 3, 60}, {"delta-rs", "column", 6, 15},
	{"duckdb-iceberg", "ordinal", 3, 60}, {"duckdb-iceberg", "indexed", 3, 60}, {"duckdb-iceberg", "column", 6, 15},
	{"pyiceberg", "ordinal", 3, 60}, {"pyiceberg", "indexed", 3, 60}, {"pyiceberg", "column", 6, 15},
}

// skipped compares what engines ask the server for: for all columns of all rows, for those of a window, for a third of
// the rows by their place in it or by a time, and for one column of all rows.
func (r remote) skipped(t *testing.T, catalog string) {
	c := count(t, r.endpoint)
	through(t, c.URL)
	rows, all := map[string]int{}, map[string]asked{}
	scan := func(engine, query string) asked {
		if rows[query] == 0 {
			rows[query] = script[int](t, "s3.py", "disk", r.disk, catalog, t.TempDir(), query)
		}
		if n := script[int](t, "s3.py", engine, r.url, catalog, t.TempDir(), query); n != rows[query] || n == 0 {
			t.Errorf("%s, %s: %d rows, want %d", engine, query, n, rows[query])
		}
		got := c.since()
		if got.whole > 0 {
			t.Errorf("%s, %s: %d files were asked for in one piece", engine, query, got.whole)
		}
		t.Logf("%s, %s: %d requests for %d bytes of %d files", engine, query, got.requests, got.bytes, len(got.files))
		return got
	}
	for _, s := range skipping {
		if all[s.engine].requests == 0 {
			all[s.engine] = scan(s.engine, "all")
		}
		whole, got := all[s.engine], scan(s.engine, s.query)
		if len(whole.files) != 6 || got.requests == 0 {
			t.Errorf("%s: all rows are in %d files; %d requests", s.engine, len(whole.files), got.requests)
		}
		if len(got.files) > s.files || got.bytes*100 > whole.bytes*s.percent {
			t.Errorf("%s, %s: %d bytes of %d files, for all %d", s.engine, s.query, got.bytes, len(got.files), whole.bytes)
		}
		if s.query != "column" && got.requests >= whole.requests { // a column is in more pieces than all together
			t.Errorf("%s, %s: %d requests, for all %d", s.engine, s.query, got.requests, whole.requests)
		}
	}
}
