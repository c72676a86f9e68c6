package e2e

import (
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// age makes an upload begin so long ago. The server takes the time of its directory for that.
func (l *lake) age(upload string, by time.Duration) {
	l.t.Helper()
	_, id, _ := strings.Cut(upload, " ")
	found := false
	then := time.Now().Add(-by)
	if err := filepath.WalkDir(filepath.Join(l.server.Dir, l.bucket), func(name string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() || d.Name() != id {
			return err
		}
		found = true
		return os.Chtimes(name, then, then)
	}); err != nil || !found {
		l.t.Fatalf("the upload %s was not found: %v", upload, err)
	}
}

// begin begins an upload behind the program's back.
func (l *lake) begin(key string) string {
	l.t.Helper()
	out := must[*s3.CreateMultipartUploadOutput](l.t)(l.server.Client().CreateMultipartUpload(l.t.Context(), &s3.CreateMultipartUploadInput{Bucket: &l.bucket, Key: &key}))
	return key + " " + aws.ToString(out.UploadId)
}

// What a dead process left is aborted a day later by the next start of its run. A twin's upload, which is younger, and
// everybody else's stay, however old.
func TestAbandoned_OnlyOwnAndOld(t *testing.T) {
	l, a, args := trial(t, true)
	process := make(chan *started, 1)
	l.proxy.Hook(func(w http.ResponseWriter, r *http.Request, forward http.Handler) {
		if kind(r) == "complete" && ofData(r) { // all parts have arrived, so that nothing touches the upload any more
			(<-process).kill()
			panic(http.ErrAbortHandler)
		}
		forward.ServeHTTP(w, r)
	})
	p := a.launch(args...)
	process <- p
	p.end()
	l.proxy.Hook(nil)
	left := l.uploads()
	if len(left) != 1 {
		t.Fatalf("the process left %q", left)
	}
	key, _, _ := strings.Cut(left[0], " ")
	another := key[:strings.Index(key, "part-")] + "part-" + strings.Repeat("a", 26) + "-00000.parquet"
	twin, other, foreign := l.begin(key), l.begin(another), l.begin("elsewhere/"+filepath.Base(key))
	day := 24 * time.Hour
	l.age(left[0], day+time.Minute)
	l.age(twin, day-10*time.Minute)
	l.age(other, 30*day)
	l.age(foreign, 30*day)
	a.expectWhole(l, a.through(args...))
	got, want := l.uploads(), []string{twin, other, foreign}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Errorf("open are\n%s\nwant\n%s\nthe process left %q", strings.Join(got, "\n"), strings.Join(want, "\n"), left)
	}
}
