package schema

// validStates is valid in portable Go, faster than utf8.Valid outside ASCII (BenchmarkText): instead of
// branching on the length of each character it follows a machine of nine states.
func validStates(text []byte) bool {
	// Two halves at a time: each step waits for the one before in the same half.
	half := len(text) / 2
	for n := 0; half < len(text) && text[half]&0xc0 == 0x80 && n < 3; n++ {
		half++ // into a character; if there is none, the second half is found invalid
	}
	a, b := text[:half], text[half:]
	s, t := uint64(stateStart), uint64(stateStart)
	i := 0
	for ; i+8 <= len(a) && i+8 <= len(b); i += 8 {
		if (load(a, i)|load(b, i))&highs|(s|t)&63 == 0 {
			continue
		}
		p, q := (*[8]byte)(a[i:]), (*[8]byte)(b[i:])
		s, t = states[p[0]]>>(s&63), states[q[0]]>>(t&63)
		s, t = states[p[1]]>>(s&63), states[q[1]]>>(t&63)
		s, t = states[p[2]]>>(s&63), states[q[2]]>>(t&63)
		s, t = states[p[3]]>>(s&63), states[q[3]]>>(t&63)
		s, t = states[p[4]]>>(s&63), states[q[4]]>>(t&63)
		s, t = states[p[5]]>>(s&63), states[q[5]]>>(t&63)
		s, t = states[p[6]]>>(s&63), states[q[6]]>>(t&63)
		s, t = states[p[7]]>>(s&63), states[q[7]]>>(t&63)
	}
	for _, c := range a[i:] {
		s = states[c] >> (s & 63)
	}
	for _, c := range b[i:] {
		t = states[c] >> (t & 63)
	}
	return (s|t)&63 == stateStart
}

// The states of the machine. A state is six times its number; states[b] >> state is, in its lowest six
// bits, what comes after byte b.
const (
	stateStart = 6 * iota // between characters
	stateBad              // for good
	stateOne              // one more continuation byte
	stateTwo
	stateThree
	stateE0 // no overlong forms
	stateED // no surrogates
	stateF0 // no overlong forms
	stateF4 // nothing above U+10FFFF
)

var states = func() (t [256]uint64) {
	for b := range t {
		continues := func(low, high, next int) uint64 {
			if b >= low && b <= high {
				return uint64(next)
			}
			return stateBad
		}
		start := stateBad
		switch {
		case b < 0x80:
			start = stateStart
		case b >= 0xc2 && b <= 0xdf:
			start = stateOne
		case b == 0xe0:
			start = stateE0
		case b == 0xed:
			start = stateED
		case b >= 0xe1 && b <= 0xef:
			start = stateTwo
		case b == 0xf0:
			start = stateF0
		case b >= 0xf1 && b <= 0xf3:
			start = stateThree
		case b == 0xf4:
			start = stateF4
		}
		t[b] = uint64(start)<<stateStart | stateBad<<stateBad |
			continues(0x80, 0xbf, stateStart)<<stateOne |
			continues(0x80, 0xbf, stateOne)<<stateTwo |
			continues(0x80, 0xbf, stateTwo)<<stateThree |
			continues(0xa0, 0xbf, stateOne)<<stateE0 |
			continues(0x80, 0x9f, stateOne)<<stateED |
			continues(0x90, 0xbf, stateTwo)<<stateF0 |
			continues(0x80, 0x8f, stateTwo)<<stateF4
	}
	return t
}()
