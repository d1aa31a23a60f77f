import Admission
import Devices
import Framing
import Wording

/// Tells the readers that have lamps, a sounder or a display what the lane shows, whenever that changes. It comes after
/// the gate: a visitor waits for the bar, not for the beep.
struct ReaderDisplay {
    private let servicePoint: String
    private var shown: (lamps: LampState, message: LaneMessage)?

    init(servicePoint: String) { self.servicePoint = servicePoint }

    mutating func show(_ display: (lamps: LampState, message: LaneMessage), on readers: [AttachedDevice]) {
        if let shown, shown == display { return }
        shown = display
        for reader in readers where reader.type.showsFeedback {
            let encoding = reader.options.osdp.textEncoding
            let words = VisitorWording.text(display.message, servicePoint: servicePoint)
            let text = encoding == .ascii ? words.english : words.chinese
            reader.show(
                ReaderFeedback(lamps: display.lamps, text: InlineText(text, as: encoding)), at: .now())
        }
    }
}
