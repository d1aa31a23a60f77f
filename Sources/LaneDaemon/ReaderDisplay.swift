import Admission
import Devices
import Framing
import Wording

/// Tells the readers that have lamps, a sounder or a display what the lane shows on their side, whenever that changes. It
/// comes after the gate: a visitor waits for the bar, not for the beep.
struct ReaderDisplay {
    private typealias Shown = (lamps: LampState, message: LaneMessage)

    private let servicePoint: String
    private var inward: Shown?
    private var outward: Shown?

    init(servicePoint: String) { self.servicePoint = servicePoint }

    mutating func show(_ machine: LaneMachine, on readers: [AttachedDevice]) {
        show(machine.display(for: .forward), .forward, &inward, machine.configuration, readers)
        guard machine.configuration.kind == .twoWay else { return }
        show(machine.display(for: .backward), .backward, &outward, machine.configuration, readers)
    }

    private func show(
        _ display: Shown, _ direction: PassageDirection, _ shown: inout Shown?, _ lane: LaneConfiguration,
        _ readers: [AttachedDevice]
    ) {
        if let shown, shown == display { return }
        shown = display
        for (index, reader) in readers.enumerated()
        where reader.type.showsFeedback && lane.direction(ofReader: UInt8(index)) == direction {
            let encoding = reader.options.osdp.textEncoding
            let words = VisitorWording.text(display.message, servicePoint: servicePoint)
            let text = encoding == .ascii ? words.english : words.chinese
            reader.show(
                ReaderFeedback(lamps: display.lamps, text: InlineText(text, as: encoding)), at: .now())
        }
    }
}
