package jpeg2000

// mqState is a row of T.800 table C.2: the probability of the less probable symbol, and where either symbol leads.
type mqState struct {
	q        uint32
	mps, lps uint8
	flip     bool
}

var mqStates = [47]mqState{
	{0x5601, 1, 1, true}, {0x3401, 2, 6, false}, {0x1801, 3, 9, false}, {0x0ac1, 4, 12, false}, {0x0521, 5, 29, false},
	{0x0221, 38, 33, false}, {0x5601, 7, 6, true}, {0x5401, 8, 14, false}, {0x4801, 9, 14, false}, {0x3801, 10, 14, false},
	{0x3001, 11, 17, false}, {0x2401, 12, 18, false}, {0x1c01, 13, 20, false}, {0x1601, 29, 21, false}, {0x5601, 15, 14, true},
	{0x5401, 16, 14, false}, {0x5101, 17, 15, false}, {0x4801, 18, 16, false}, {0x3801, 19, 17, false}, {0x3401, 20, 18, false},
	{0x3001, 21, 19, false}, {0x2801, 22, 19, false}, {0x2401, 23, 20, false}, {0x2201, 24, 21, false}, {0x1c01, 25, 22, false},
	{0x1801, 26, 23, false}, {0x1601, 27, 24, false}, {0x1401, 28, 25, false}, {0x1201, 29, 26, false}, {0x1101, 30, 27, false},
	{0x0ac1, 31, 28, false}, {0x09c1, 32, 29, false}, {0x08a1, 33, 30, false}, {0x0521, 34, 31, false}, {0x0441, 35, 32, false},
	{0x02a1, 36, 33, false}, {0x0221, 37, 34, false}, {0x0141, 38, 35, false}, {0x0111, 39, 36, false}, {0x0085, 40, 37, false},
	{0x0049, 41, 38, false}, {0x0025, 42, 39, false}, {0x0015, 43, 40, false}, {0x0009, 44, 41, false}, {0x0005, 45, 42, false},
	{0x0001, 45, 43, false}, {0x5601, 46, 46, false},
}

// mqContext is an adaptive probability: a state, and the symbol that is the more probable.
type mqContext struct{ state, mps uint8 }

// mq is the arithmetic decoder of T.800 C.3. Past its data it reads ones, as the standard says.
type mq struct {
	data []byte
	pos  int
	c, a uint32
	n    int
}

func (m *mq) start(data []byte) {
	*m = mq{data: data, a: 0x8000}
	m.c = uint32(m.at(0)) << 16
	m.fill()
	m.c <<= 7
	m.n -= 7
}

func (m *mq) at(i int) byte {
	if i < len(m.data) {
		return m.data[i]
	}
	return 0xff
}

func (m *mq) fill() {
	switch next := m.at(m.pos + 1); {
	case m.at(m.pos) != 0xff:
		m.pos++
		m.c += uint32(next) << 8
		m.n = 8
	case next > 0x8f:
		m.c += 0xff00
		m.n = 8
	default:
		m.pos++
		m.c += uint32(next) << 9
		m.n = 7
	}
}

func (m *mq) bit(ctx *mqContext) uint8 {
	s := &mqStates[ctx.state]
	m.a -= s.q
	low := m.c>>16 < s.q
	if !low {
		m.c -= s.q << 16
		if m.a&0x8000 != 0 {
			return ctx.mps
		}
	}
	less := low == (m.a >= s.q) // the smaller interval is the less probable symbol's, else they are exchanged
	if low {
		m.a = s.q
	}
	d := ctx.mps
	if less {
		d = 1 - d
		if s.flip {
			ctx.mps = d
		}
		ctx.state = s.lps
	} else {
		ctx.state = s.mps
	}
	for m.a&0x8000 == 0 {
		if m.n == 0 {
			m.fill()
		}
		m.a <<= 1
		m.c <<= 1
		m.n--
	}
	return d
}

// rawBits reads the bits of passes that are not arithmetically coded: after a byte 0xff one bit is stuffed.
type rawBits struct {
	data []byte
	acc  byte
	n    int
}

func (r *rawBits) bit() uint8 {
	if r.n == 0 {
		r.n = 8 - btoi(r.acc == 0xff)
		r.acc = 0xff
		if len(r.data) > 0 {
			r.acc, r.data = r.data[0], r.data[1:]
		}
	}
	r.n--
	return r.acc >> r.n & 1
}
