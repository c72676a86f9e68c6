package main

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// Whatever is in the cells: on a terminal no line is wider than the screen and every letter is shown; in a pipe each row
// is a line.
func TestLay_FitsEveryScreen(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	random := rand.New(rand.NewPCG(5, 6))
	words := []string{"a", "tw2p-abcdefghijklmnopqrstuvwxyz", "finished", "東京の朝", "e\u0301", "12,345", strings.Repeat("long", 40), "\x1b[2J", "x\u202ey", ""}
	for range 3000 {
		head := make([]heading, 1+random.IntN(7))
		for i := range head {
			head[i] = heading{name: words[random.IntN(6)], right: random.IntN(3) == 0, prose: random.IntN(2) == 0}
		}
		rows := make([][]string, random.IntN(5))
		for r := range rows {
			for range head {
				cell := []string{}
				for range random.IntN(4) {
					cell = append(cell, words[random.IntN(len(words))])
				}
				rows[r] = append(rows[r], strings.Join(cell, " "))
			}
		}
		letters := func(text string) string {
			all := []rune(strings.Join(strings.Fields(text), ""))
			slices.Sort(all)
			return string(all)
		}
		wide := lay(head, rows, 0)
		if n := strings.Count(wide, "\n"); n != len(rows)+1 {
			t.Fatalf("%d lines for %d rows:\n%s", n, len(rows), wide)
		}
		columns := 12 + random.IntN(180)
		narrow := lay(head, rows, columns)
		if letters(wide) != letters(narrow) {
			t.Fatalf("in %d columns letters are missing:\n%s\n%s", columns, wide, narrow)
		}
		for line := range strings.Lines(narrow) {
			if n := displayed(strings.TrimSuffix(line, "\n")); n > columns {
				t.Fatalf("%d of %d columns: %q", n, columns, line)
			}
		}
		if strings.ContainsAny(wide+narrow, "\x1b\u202e") {
			t.Fatal("a cell can play tricks")
		}
	}
}

func TestLay_ForPeople(t *testing.T) {
	t.Setenv("LC_ALL", "C.UTF-8")
	head := []heading{{name: "task"}, {name: "rows", right: true}, {name: "title", prose: true}}
	rows := [][]string{{"3f2a", "12,345", "the first of many words about a topic"}, {"77", "6", ""}}
	for columns, want := range map[int]string{
		0:  "task    rows  title\n3f2a  12,345  the first of many words about a topic\n77         6\n",
		36: "task    rows  title\n3f2a  12,345  the first of many\n              words about a topic\n77         6\n",
		20: "task    rows\n  title\n3f2a  12,345\n  the first of many\n  words about a\n  topic\n77         6\n",
	} {
		if got := lay(head, rows, columns); got != want {
			t.Errorf("in %d columns\n%s", columns, got)
		}
	}
	if rows[0][0] != "3f2a" {
		t.Error("the rows were changed")
	}
}
