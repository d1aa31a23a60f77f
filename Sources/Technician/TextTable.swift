import Wording

/// Rows of text in columns that line up, also with Chinese in them.
struct TextTable {
    private var rows: [[String]] = []
    var indent = 0

    init(indent: Int = 0) { self.indent = indent }

    mutating func add(_ cells: String...) { rows.append(cells) }
    mutating func add(_ cells: [String]) { rows.append(cells) }

    /// A line a row; the last column is not padded.
    var text: String {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], Columns.count(cell))
            }
        }
        let margin = String(repeating: " ", count: indent)
        return rows.map { row in
            var line = margin
            for (column, cell) in row.enumerated() {
                line += column == row.count - 1 ? cell : Columns.padded(cell, to: widths[column]) + "  "
            }
            while line.last == " " { line.removeLast() }
            return line + "\n"
        }.joined()
    }
}
