/** The end of a form: why it was refused, and its buttons. */
import { Button } from "./button.tsx";

/** What belongs to no field. */
export function Refusal({ why }: { why: string | null }) {
  if (!why) return null;
  return (
    <p className="refusal" role="alert">
      {why}
    </p>
  );
}

interface FootProps {
  form: { isBusy: boolean; refusal: string | null };
  /** What sending it does: "Save". */
  says: string;
  onClose: () => void;
  isReady?: boolean;
}

/** Of a form in a dialog. */
export function FormFoot({ form, says, onClose, isReady = true }: FootProps) {
  return (
    <>
      <Refusal why={form.refusal} />
      <div className="actions">
        <Button onClick={onClose}>Cancel</Button>
        <Button type="submit" weight="primary" isBusy={form.isBusy} disabled={!isReady}>
          {says}
        </Button>
      </div>
    </>
  );
}
