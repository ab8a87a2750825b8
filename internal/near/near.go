// Package near says how much two words differ, for whoever asks "did you mean".
package near

// Edits is how many slips turn a into b: a byte too many, too few, wrong, or two
// neighbours swapped (optimal string alignment). It takes time and memory by the product of
// their lengths: who is handed a long one does not ask.
func Edits(a, b string) int {
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := range len(a) {
		for j := range len(b) {
			wrong := rows[i][j]
			if a[i] != b[j] {
				wrong++
			}
			least := min(wrong, rows[i][j+1]+1, rows[i+1][j]+1)
			if i > 0 && j > 0 && a[i] == b[j-1] && a[i-1] == b[j] {
				least = min(least, rows[i-1][j-1]+1)
			}
			rows[i+1][j+1] = least
		}
	}
	return rows[len(a)][len(b)]
}
