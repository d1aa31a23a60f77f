/// Figures as people read them.
public enum Figures {
    /// The two largest units: `430 ms`, `12 s`, `5 min 3 s`, `51 h 12 min`, `6 d 4 h` (from 100 h on); cut, not rounded,
    /// so that nothing is older in words than it is. A negative duration is told without its sign.
    public static func duration(milliseconds: Int64) -> String {
        let whole = milliseconds.magnitude
        let seconds = whole / 1000
        if whole < 1000 { return "\(whole) ms" }
        if seconds < 60 { return "\(seconds) s" }
        if seconds < 3600 { return two(seconds / 60, "min", seconds % 60, "s") }
        if seconds < 100 * 3600 { return two(seconds / 3600, "h", seconds / 60 % 60, "min") }
        return two(seconds / 86_400, "d", seconds / 3600 % 24, "h")
    }

    /// As `duration`, and so exact that it differs from the text of a limit it goes beyond: 48 h and one second against
    /// 48 h reads `48 h 0 min 1 s`, not `48 h`.
    public static func duration(milliseconds: Int64, besideLimit limit: Int64) -> String {
        let text = duration(milliseconds: milliseconds)
        guard milliseconds != limit, text == duration(milliseconds: limit) else { return text }
        let whole = milliseconds.magnitude
        let seconds = whole / 1000
        var exact = seconds < 3600 ? "" : "\(seconds / 3600) h "
        exact += seconds < 60 ? "" : "\(seconds / 60 % 60) min "
        exact += "\(seconds % 60) s"
        return whole % 1000 == 0 ? exact : "\(exact) \(whole % 1000) ms"
    }

    /// `37.3 °C`, with two decimals where the second is not zero.
    public static func temperature(centidegrees: Int32) -> String {
        let whole = centidegrees.magnitude
        let hundredths = whole % 100
        let digits = hundredths % 10 == 0 ? "\(hundredths / 10)" : (hundredths < 10 ? "0" : "") + "\(hundredths)"
        return "\(centidegrees < 0 ? "-" : "")\(whole / 100).\(digits) °C"
    }

    /// `+0.5 °C`, for offsets.
    public static func signedTemperature(centidegrees: Int32) -> String {
        (centidegrees >= 0 ? "+" : "") + temperature(centidegrees: centidegrees)
    }

    private static func two(_ large: UInt64, _ largeUnit: String, _ small: UInt64, _ smallUnit: String) -> String {
        small == 0 ? "\(large) \(largeUnit)" : "\(large) \(largeUnit) \(small) \(smallUnit)"
    }
}
