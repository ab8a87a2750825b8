package store

import "testing"

// Files come from anybody: whatever is in one, it is read or refused, and never
// empty without an error.
func FuzzRead(f *testing.F) {
	for _, seed := range []string{
		"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n", "\xef\xbb\xbf-----BEGIN X-----", "-----BEGIN PKCS7-----\nMAA=\n-----END PKCS7-----\n",
		"-----BEGIN TRUSTED CERTIFICATE-----\nMAAwAA==\n-----END TRUSTED CERTIFICATE-----\n", "\xfe\xed\xfe\xed\x00\x00\x00\x02\x00\x00\x00\x00", "0\x80", "0\x03\x02\x01\x03", "0\x0b\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, read := range []func([]byte, string) (Contents, error){Read, ReadTrust} {
			c, err := read(data, "changeit")
			if err == nil && c.Kind == "" {
				t.Errorf("%q is of no kind, and no error", data)
			}
			if err != nil && err.Error() == "" {
				t.Errorf("%q is refused without a word", data)
			}
		}
		if d := diagnose(data); d != nil && (d.Byte < 0 || d.Byte > len(data) || d.Line < 1 || d.Fix == "") {
			t.Errorf("%q: %+v", data, d)
		}
	})
}
