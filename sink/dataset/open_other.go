//go:build !unix

package dataset

// nonBlock is nothing: directories hold no pipes here.
const nonBlock = 0
