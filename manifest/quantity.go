package manifest

import "strconv"

// Bytes returns a size in the largest binary unit that divides it, such as
// "64 MiB", so that no digit is lost.
func Bytes(n int64) string {
	units := []string{"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"}
	at := 0
	for n != 0 && n%1024 == 0 && at < len(units)-1 {
		n /= 1024
		at++
	}
	return plain(n) + " " + units[at]
}

func plain(n int64) string { return strconv.FormatInt(n, 10) }

// weight returns a share beside the weight that everything else has.
func weight(n int64) string { return plain(n) + " of the usual 100" }

// processors returns thousandths of a processor as a number of processors.
func processors(milli int64) string {
	return strconv.FormatFloat(float64(milli)/1000, 'f', -1, 64) + " processors"
}
