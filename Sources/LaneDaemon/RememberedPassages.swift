import Admission
import Storage

extension LaneMachine {
    /// What the journal says of the passages of earlier runs, oldest first.
    mutating func remember(_ passages: [RecordedPassage], at moment: Moment) {
        for passage in passages {
            switch (passage.what, passage.wall) {
            case (.passed, let wall?): remember(passage.holder, passedAt: wall, at: moment)
            case (.passed, nil): break
            case (.left, let wall): remember(passage.holder, leftAt: wall, at: moment)
            }
        }
    }
}
