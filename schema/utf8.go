package schema

// valid tells whether text is valid UTF-8. It is faster than utf8.Valid outside ASCII (BenchmarkText):
// instead of branching on the length of each character it follows a machine of nine states.
func valid(text []byte) bool {
	state := uint64(stateStart)
	i := 0
	for ; i+16 <= len(text); i += 16 {
		a, b := load(text, i), load(text, i+8)
		if (a|b)&highs|state&63 == 0 {
			continue
		}
		p := (*[16]byte)(text[i:])
		state = states[p[0]] >> (state & 63)
		state = states[p[1]] >> (state & 63)
		state = states[p[2]] >> (state & 63)
		state = states[p[3]] >> (state & 63)
		state = states[p[4]] >> (state & 63)
		state = states[p[5]] >> (state & 63)
		state = states[p[6]] >> (state & 63)
		state = states[p[7]] >> (state & 63)
		state = states[p[8]] >> (state & 63)
		state = states[p[9]] >> (state & 63)
		state = states[p[10]] >> (state & 63)
		state = states[p[11]] >> (state & 63)
		state = states[p[12]] >> (state & 63)
		state = states[p[13]] >> (state & 63)
		state = states[p[14]] >> (state & 63)
		state = states[p[15]] >> (state & 63)
	}
	for ; i < len(text); i++ {
		state = states[text[i]] >> (state & 63)
	}
	return state&63 == stateStart
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
