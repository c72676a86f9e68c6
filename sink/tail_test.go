package sink

import (
	"path"
	"slices"
	"strings"
	"testing"
)

// A start that reads only the last footer leaves the rejects of all published files where they are, whatever it cannot know of,
// and says of a file in between that it is gone.
func TestTail_KeepsRejectsAndMissesFiles(t *testing.T) {
	f := newFleet(t)
	j := job{total: 100, group: 10, reject: 5, config: func(c *Config) { c.MaxFileRows, c.Tail = 8, true }}
	o := f.open(j)
	if err := j.stretchTo(o, 100); err != nil {
		t.Fatal(err)
	}
	files := o.Files()
	if err := o.Close(); err != nil || len(files) < 9 {
		t.Fatal(len(files), err)
	}
	var rejects []string
	for name := range f.memory.Files() {
		if strings.HasPrefix(path.Base(name), rejectsPrefix) {
			rejects = append(rejects, name)
		}
	}
	for _, name := range []string{rejectsStem(3, "0badcafe"), rejectsStem(len(files), "0badcafe")} {
		f.memory.Plant(RunDir(testRun)+"/"+name+".raw", []byte("of a file that was never published"))
	}
	o = f.open(j)
	if got := o.Files(); len(got) != len(files) || got[4].Name != files[4].Name || got[4].Bytes != files[4].Bytes || got[len(got)-1].ToOffset != files[len(files)-1].ToOffset {
		t.Errorf("%+v", got)
	}
	if err := o.Close(); err != nil {
		t.Fatal(err)
	}
	for _, name := range rejects {
		if _, ok := f.memory.Files()[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	names := []string{}
	for name := range f.memory.Files() {
		names = append(names, path.Base(name))
	}
	if !slices.ContainsFunc(names, func(n string) bool { return strings.HasSuffix(n, "00003-0badcafe.raw") }) {
		t.Error("a reject of a file whose footer was not read was removed")
	}
	h, err := f.memory.Hold(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.Remove(t.Context(), files[4].Name); err != nil {
		t.Fatal(err)
	}
	if _, err := j.openOn(f.memory); err == nil || !strings.Contains(err.Error(), files[4].Name) {
		t.Errorf("a file in between is gone: %v", err)
	}
}
