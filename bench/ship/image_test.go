package main

import (
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

// images are the images of the release by architecture, checked against their digests.
func images(t *testing.T) map[string]v1.Image {
	t.Helper()
	dir := t.TempDir()
	command(t, "tar", "-xf", artifact(t, "_oci.tar"), "-C", dir)
	index, err := layout.ImageIndexFromPath(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]v1.Image{}
	for _, d := range manifest.Manifests {
		if out[d.Platform.Architecture], err = index.Image(d.Digest); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func TestImage_HoldsTheProgramAloneAndIsNotRoot(t *testing.T) {
	all := images(t)
	if len(all) != 2 {
		t.Fatalf("%d images", len(all))
	}
	for arch, img := range all {
		config, err := img.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		if config.OS != "linux" || config.Architecture != arch || config.Config.User != "65532:65532" || config.Config.Entrypoint[0] != "/usr/bin/tw2parquet" {
			t.Errorf("%s: %+v", arch, config)
		}
		root := unpackImage(t, img)
		executable(t, platform{"linux", arch}, filepath.Join(root, "usr/bin/tw2parquet"))
		if files := contents(t, root); len(files) != 5 {
			t.Errorf("%s: %d files", arch, len(files))
		}
	}
}

func unpackImage(t *testing.T, img v1.Image) string {
	t.Helper()
	dir := t.TempDir()
	flat := filepath.Join(dir, "flat.tar")
	f, err := os.Create(flat)
	if err != nil {
		t.Fatal(err)
	}
	content := mutate.Extract(img)
	defer content.Close()
	if _, err := io.Copy(f, content); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	root := filepath.Join(dir, "root")
	if err := os.Mkdir(root, 0o755); err != nil {
		t.Fatal(err)
	}
	command(t, "tar", "-xf", flat, "-C", root, "--no-same-owner")
	return root
}

// inside runs the program of an unpacked image as its user, in a mount namespace of its own where the root is read-only
// and /data is the only place to write. Of what a container has beside that there is /proc, but no /dev and no /tmp.
// Root becomes that user; who is root in a user namespace alone owns one id, which has that number in a namespace below.
const inside = `set -e
root=$1 data=$2; shift 2
mkdir "$root/proc" 2>/dev/null || true
mount --bind "$root" "$root"
mount --rbind /proc "$root/proc"
mount --bind "$data" "$root/data"
mount -o remount,ro,bind "$root"
if touch "$root/written" 2>/dev/null; then echo "the root can be written" >&2; exit 1; fi
if awk '$1 <= 65532 && 65532 < $1 + $3 { found = 1 } END { exit !found }' /proc/self/uid_map; then
  set -- "$(command -v chroot)" --userspec=65532:65532 "$root" /usr/bin/tw2parquet "$@"
else
  set -- "$(command -v unshare)" --map-user=65532 --map-group=65532 --root="$root" /usr/bin/tw2parquet "$@"
fi
exec env -i HOME=/data PATH=/usr/bin "$@"`

func TestImage_RunsOnAReadOnlyRoot(t *testing.T) {
	root, data := unpackImage(t, images(t)[runtime.GOARCH]), rootsPlace(t)
	if err := os.Chmod(data, 0o777); err != nil {
		t.Fatal(err)
	}
	run := func(args ...string) string {
		t.Helper()
		return asRoot(t, "unshare", append([]string{"--mount", "sh", "-c", inside, "sh", root, data}, args...)...)
	}
	if out := run("version"); !strings.Contains(out, version(t, here(t))) {
		t.Errorf("it is %s", out)
	}
	run("demo", "--out", "/data/lake")
	run("verify", "/data/lake")
	if got, want := run("cat", "/data/lake"), command(t, filepath.Join(root, "usr/bin/tw2parquet"), "cat", filepath.Join(data, "lake")); got != want || got == "" {
		t.Errorf("inside, cat prints %d bytes, outside %d", len(got), len(want))
	}
}
