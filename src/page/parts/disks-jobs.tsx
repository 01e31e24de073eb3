import type { DiskJob, Disks } from "../disks/model.ts";
import { Button } from "./button.tsx";

/** What is under way, and what failed until it is dismissed. */
export function DiskJobs({ disks, jobs }: { disks: Disks; jobs: readonly DiskJob[] }) {
  return (
    <>
      {jobs.map((job) => (
        <div key={job.id} class="disk-job">
          {job.error === undefined ? (
            <>
              <span>
                {job.title} <span class="disk-figures">{Math.floor(job.progress * 100)} %</span>
              </span>
              <Button label="Cancel" onClick={() => disks.cancel(job)} />
              <progress aria-label={job.title} value={job.progress} max={1} />
            </>
          ) : (
            <>
              <span class="field-error" role="alert">
                {job.title}: {job.error}
              </span>
              <Button label="Dismiss" icon="close" compact onClick={() => disks.dismiss(job)} />
            </>
          )}
        </div>
      ))}
    </>
  );
}
