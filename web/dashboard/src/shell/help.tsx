/** Which keys do what here, from whoever offers them now, and the switch for those who would rather have none. */
import { areKeysOn, switchKeys, useOffers } from "../keys.ts";
import { useStore } from "../store.ts";
import { CheckField, Dialog } from "../ui/index.ts";

export function Help({ onClose }: { onClose: () => void }) {
  const isOn = useStore(areKeysOn);
  return (
    <Dialog title="Keyboard shortcuts" onClose={onClose} isWide>
      <div className="help">
        {useOffers().map((offer) => (
          <section key={offer.title}>
            <h3>{offer.title}</h3>
            <dl>
              {offer.shortcuts
                .filter((each) => !each.isSilent)
                .map((each) => (
                  <div key={each.keys}>
                    <dt>
                      <Keys keys={each.keys} />
                    </dt>
                    <dd>{each.says}</dd>
                  </div>
                ))}
            </dl>
          </section>
        ))}
      </div>
      <CheckField
        label="Single keys do something"
        hint="Switch them off if you control this page by voice, or press keys by accident."
        checked={isOn}
        onChange={(event) => switchKeys(event.target.checked)}
      />
    </Dialog>
  );
}

function Keys({ keys }: { keys: string }) {
  return (
    <>
      {keys.split(" ").map((key, index) => (
        <kbd key={`${key}${index}`}>{key === "" ? "space" : key}</kbd>
      ))}
    </>
  );
}
