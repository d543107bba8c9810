import java.nio.file.Files;
import java.nio.file.Path;
import org.verapdf.gf.foundry.VeraGreenfieldFoundryProvider;
import org.verapdf.pdfa.Foundries;
import org.verapdf.pdfa.PDFAParser;
import org.verapdf.pdfa.flavours.PDFAFlavour;
import org.verapdf.pdfa.results.TestAssertion;

/** One line a file: "ok FILE" or "failed FILE", then a line for each rule that does not hold. */
public class Judge {
    public static void main(String[] files) throws Exception {
        VeraGreenfieldFoundryProvider.initialise();
        for (String file : files) {
            try (PDFAParser parser =
                    Foundries.defaultInstance().createParser(Files.newInputStream(Path.of(file)), PDFAFlavour.PDFA_1_B)) {
                var result = Foundries.defaultInstance().createValidator(PDFAFlavour.PDFA_1_B, false).validate(parser);
                System.out.println((result.isCompliant() ? "ok " : "failed ") + file);
                for (TestAssertion each : result.getTestAssertions()) {
                    if (each.getStatus() != TestAssertion.Status.PASSED) {
                        System.out.println("  " + each.getRuleId().getClause() + " " + each.getMessage());
                    }
                }
            }
        }
    }
}
