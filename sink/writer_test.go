package sink

import (
	"crypto/sha256"
	"encoding/hex"
	"testing"
)

func sha256Hex(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func TestRun_PublishesEveryResultOnce(t *testing.T) {
	dir := t.TempDir()
	j := job{total: 50, group: 3, reject: 7}
	if err := j.run(nil, dir, nil); err != nil {
		t.Fatal(err)
	}
	j.checkComplete(t, dirTree(dir))
	if err := j.run(nil, dir, nil); err != nil {
		t.Fatal(err)
	}
}
